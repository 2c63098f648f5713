"""Builds the index in a process of its own.

A build takes tens of megabytes that an interpreter never gives back, and seconds of its lock: both would be
missed by the daemon, which lives for months and has books to fetch meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.search.sources.gutenberg_catalogue import open_catalogue, read_catalogue
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.ticket import Ticket

_LOOK_SECONDS = 0.1
_KINDS: dict[str, type[BookhopperError]] = {
    kind.__name__: kind for kind in (HeldError, PermanentError, TransientError)
}


def build_apart(catalogue: Path, index: Path, stamp: str, ticket: Ticket) -> None:
    """Build the index of a catalogue, marked with `stamp`, and swap it in.

    Raises HeldError, TransientError or PermanentError when that fails, and Interrupted, the child ended.
    """
    ticket.check()
    command = [sys.executable, "-m", __name__, str(catalogue), str(index), stamp]
    child = subprocess.Popen(  # noqa: S603 # nosec B603 # our own module, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is the daemon's to answer
    )
    with child:
        try:
            said = _wait(child, ticket)
        except BaseException:
            child.terminate()
            raise
    if child.returncode:
        raise _error(said, child.returncode)


def _wait(child: subprocess.Popen[bytes], ticket: Ticket) -> bytes:
    while True:
        try:
            return child.communicate(timeout=_LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            ticket.check()


def _error(said: bytes, status: int) -> BookhopperError:
    try:
        told = json.loads(said)
        return _KINDS[told["kind"]](told["message"])
    except (ValueError, KeyError, TypeError):
        return TransientError(f"the process that indexes the catalogue ended with status {status}")


def _main(catalogue: str, index: str, stamp: str) -> int:
    try:
        with open_catalogue(Path(catalogue)) as stream:
            GutenbergIndex(Path(index)).build(read_catalogue(stream, Ticket(0)), stamp)
    except tuple(_KINDS.values()) as error:
        print(json.dumps({"kind": type(error).__name__, "message": str(error)}))  # noqa: T201 - to the parent
        return 1
    except OSError as error:
        told = f"cannot index the catalogue {catalogue} in {index}: {error}"
        print(json.dumps({"kind": HeldError.__name__, "message": told}))  # noqa: T201 - to the parent
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
