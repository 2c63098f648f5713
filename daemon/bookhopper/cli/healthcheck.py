"""`bookhopper healthcheck`, which a container engine calls every half minute: it loads little."""

from __future__ import annotations

import json
import os
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from bookhopper.api.address import find_address
from bookhopper.cli import config_option
from bookhopper.errors import BookhopperError, ConfigError

_SECONDS = 4.0
"""Less than an engine waits for the whole command, so that it says itself what is wrong."""

_MOST_BYTES = 65_536
_STATE = "BOOKHOPPER_FOLDERS_STATE"


@click.command(
    epilog="""\
\b
Examples:
  bookhopper healthcheck && echo well
"""
)
@config_option
def command(config_path: Path | None) -> None:
    """Ask whether the daemon runs and all of its parts live: exit code 0, else 1 and a line that says why."""
    _ask(_state_folder(config_path))


def _state_folder(config_path: Path | None) -> Path:
    named = os.environ.get(_STATE, "")
    if named.startswith("/") and "$" not in named:  # it goes before the file
        return Path(named)
    from bookhopper.client import state_of  # noqa: PLC0415 - loads four times as much as all the rest

    try:
        return state_of(config_path)
    except ConfigError as error:
        raise BookhopperError(error.faults[0]) from error  # the exit code 2 means something else to Docker


def _ask(state: Path) -> None:
    """Ask the daemon that works in a state folder; raises BookhopperError unless it is well."""
    url, _ = find_address(state)
    try:
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)) as connection:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            parts = json.loads(answer.read(_MOST_BYTES))["parts"]
            ailing = sorted(name for name, well in parts.items() if not well)
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BookhopperError(
            f"bookhopper does not answer at {url}: start it (`bookhopper run`) or see its log"
        ) from error
    if ailing or answer.status != 200:
        raise BookhopperError(f"bookhopper is not well ({', '.join(ailing) or answer.status}): see its log")
