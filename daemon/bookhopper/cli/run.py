"""`bookhopper run`."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

import click

from bookhopper import app, config
from bookhopper.cli import config_option, exit_status
from bookhopper.errors import BookhopperError
from bookhopper.observe import logs

log = logging.getLogger("bookhopper")

_LAST_SECONDS = 1.0


@click.command(
    epilog="""\
It runs until SIGTERM or SIGINT and then stops in order: running downloads are cut short and go on where they
were at the next start.  On SIGHUP it reads its configuration again, as `bookhopper reload` has it do.

\b
Examples:
  bookhopper run
  bookhopper run --config /etc/bookhopper.yaml
"""
)
@config_option
def command(config_path: Path | None) -> None:
    """Run the daemon."""
    settings = config.load(config_path)
    try:
        app.run(settings, partial(config.load, _path_again(config_path)))
    except BookhopperError as error:
        if logs.is_for_people():
            raise
        log.error("%s", error)  # noqa: TRY400 - one line, and no fault of ours
        sys.exit(exit_status(error))
    _leave()


def _path_again(config_path: Path | None) -> Path | None:
    """Name the file for another reading: one that was there must not be gone, or the defaults would hold."""
    usual = config.default_path() if config_path is None else config_path
    return usual if config_path or usual.exists() else None


def _leave() -> None:
    """End now: the interpreter would wait for the pools' threads, one of which may wait for a silent host."""
    deadline = time.monotonic() + _LAST_SECONDS
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in others):
        logging.shutdown()
        os._exit(0)
