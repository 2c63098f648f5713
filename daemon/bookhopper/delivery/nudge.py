"""One more event for a book that lies in ingest and that nobody takes.

A consumer that listens for events knows nothing of what came before it started, and some never look (see
`reference/calibre-ingest.md`, point 6).  So a book of ours that has lain there for long is put in its own
place once more, by an equal file that takes its name in one step: at no moment is the name free or the file
half there, and a book that the consumer eats meanwhile does not come back.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress

from bookhopper.delivery.ingest import IngestFolder
from bookhopper.durable import UNSUPPORTED
from bookhopper.errors import HeldError
from bookhopper.store.base import Store

log = logging.getLogger("bookhopper.deliver")


class Nudges:
    """Nudges each book once, when it has lain in the folder for `after` seconds (0: never)."""

    def __init__(self, store: Store, folder: IngestFolder, after: float) -> None:
        self._store = store
        self._folder = folder
        self._after = after
        self._unable = False
        self.given = 0

    def run(self) -> int:
        """Nudge what has lain for long enough; returns how many books that were."""
        if self._after <= 0 or self._unable:
            return 0
        before = self.given
        try:
            self._folder.ready()
            for name, entry in self._folder.lying():
                with suppress(FileNotFoundError):  # it was eaten after all
                    if self._is_due(name, entry) and self._folder.renew(name):
                        self.given += 1
                        log.info("%s lay in ingest for long: put there once more, to be noticed", name)
        except HeldError:
            pass  # deliveries say so
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            self._unable = True
            log.info("books that lie in %s stay as they are: files cannot be exchanged", self._folder.path)
        return self.given - before

    def _is_due(self, name: str, entry: os.DirEntry[str]) -> bool:
        """Whether this is a book of ours, as it was delivered, and old enough.

        Putting it in its place anew makes its file younger than its delivery: so it is known later.
        """
        status = entry.stat(follow_symlinks=False)
        line = self._store.delivery_named(name)
        return (
            line is not None
            and line.done_at is not None
            and status.st_size == line.size
            and status.st_mtime <= line.done_at <= time.time() - self._after
        )
