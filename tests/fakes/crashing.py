"""A process that hands one book over and dies, as by `kill -9`, at the step that it was told.

    python -m tests.fakes.crashing FOLDER INGEST SUB-FOLDER STEP

The book goes into a sub-folder of INGEST, which may be empty.  STEP is `note`, `make`, `stage`, `place`,
`rename`, `reveal` or `complete` with `before-` or `after-` in front, or `in-copy`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import IO, Any

from bookhopper.delivery import deliver
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.place import Book
from bookhopper.model import State
from bookhopper.naming_settings import NamingSettings
from bookhopper.store.sqlite import SqliteStore
from bookhopper.ticket import Ticket
from tests import books
from tests.queues import FILE, candidate

STATUS = 9


def die_at(step: str, deliverer: Deliverer, folder: IngestFolder, store: SqliteStore) -> None:
    """Replace a step by one that ends the process before or after it."""
    if step == "in-copy":
        setattr(shutil, "copyfileobj", half_a_copy)  # noqa: B010 - mypy knows its type better
        return
    when, _, name = step.partition("-")
    owners = {"note": deliverer._strays, "make": folder, "stage": folder, "reveal": folder}
    owner: Any = owners.get(name, store)
    name = "_make_folders" if name == "make" else name
    real = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> None:
        if when == "after":
            real(*args, **named)
        os._exit(STATUS)

    setattr(owner, name, dying)


def half_a_copy(source: IO[bytes], goal: IO[bytes], length: int = 0) -> None:
    """Copy some bytes, and die."""
    goal.write(source.read(100))
    goal.flush()
    os._exit(STATUS)


def main(base: Path, ingest: Path, sub_folder: str, step: str) -> None:
    """Deliver the most urgent job."""
    store = SqliteStore(base / FILE, lambda _: None)
    job = store.claim(State.QUEUED)
    assert job is not None
    content = books.epub()
    part = base / f"{job.id}.part"
    part.write_bytes(content)
    folder = IngestFolder(ingest, mode=0o664, require_mount=True)
    deliver.WATCH_SECONDS = 0.0
    deliverer = Deliverer(store, folder, base, naming=NamingSettings(folder=sub_folder))
    die_at(step, deliverer, folder, store)
    deliverer.deliver(job, Book(part, "epub", "the sha256", len(content), candidate()), Ticket(job.id))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
