"""The script that hears of each delivered book: run in order, one at a time, at least once.

That a run is owed is written down before the book is handed over, and struck out when the run has ended; so
neither a crash nor a stop loses one, and one that was cut short is begun anew (`repeated` among its facts).
What comes of it never touches the delivery: a failure is noted with the job.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bookhopper.delivery.copies import Copies, copy_file
from bookhopper.durable import make_folder, sync_folder
from bookhopper.errors import BookhopperError
from bookhopper.log_context import working_on
from bookhopper.model import UNSETTLED, Candidate, Change, Delivery, Job, State
from bookhopper.scripts.facts import book_facts, facts
from bookhopper.scripts.scratch import Scratch, cannot_write
from bookhopper.scripts.script import Ended, Script
from bookhopper.store.base import Move, Store
from bookhopper.ticket import Interrupted, Reason, Ticket

log = logging.getLogger("bookhopper.script")

LATER_SECONDS = 60.0
"""How long the line waits where a run could not be made, or asks for another one."""

_BEGUN = "begun"


class AfterDelivery:
    """Owes each delivered book a run of the script, and makes it, on a thread of its own.

    `ingest` is the folder that books are delivered into, `debts` a folder of ours with a file for each run
    that is owed.
    """

    def __init__(self, store: Store, copies: Copies, scratch: Scratch, *, ingest: Path, debts: Path) -> None:
        self._store = store
        self._copies = copies
        self._scratch = scratch
        self._ingest = ingest
        self._debts = debts
        self._script: Script | None = None
        self.ran: Callable[[Ended], None] = _unheard
        self.later_seconds = LATER_SECONDS
        self._line: OrderedDict[int, None] = OrderedDict()
        self._wake = threading.Condition()
        self._not_before = 0.0
        self._ticket: Ticket | None = None
        self._stopping = False
        self._said = ""
        self._thread: threading.Thread | None = None

    def use(self, script: Script | None) -> None:
        """Run this one from now on, or (None) none: what is owed then is forgotten as its turn comes."""
        with self._wake:
            self._script = script
            self._not_before = 0.0
            self._wake.notify()

    def owe(self, job: int) -> None:
        """Write down that a job's book is about to be delivered; raises HeldError."""
        if self._script is None:
            return
        try:
            make_folder(self._debts)
            (self._debts / str(job)).touch()
            sync_folder(self._debts)
        except OSError as error:
            raise cannot_write(self._debts, error) from error

    def changed(self, change: Change) -> None:
        """Listen to the store's changes: what is DONE has its run, what ends otherwise has none."""
        if change.before is change.after or change.after in UNSETTLED:
            return
        debt = self._debts / str(change.job.id)
        if not debt.exists():
            return
        if change.after is State.DONE:
            self._queue(change.job.id)
        else:
            debt.unlink(missing_ok=True)

    def take_up(self) -> None:
        """Go on with what the last run left; raises BookhopperError."""
        for number in sorted(self._owed()):
            job = self._store.job(number)
            if job is None or job.state not in UNSETTLED | {State.DONE}:
                self._settle(number)
            elif job.state is State.DONE:
                self._queue(number)

    def stop(self) -> None:
        """Cut short what runs, and begin nothing more."""
        with self._wake:
            self._stopping = True
            ticket = self._ticket
            self._wake.notify()
        if ticket is not None:
            ticket.interrupt(Reason.SHUTDOWN)

    def join(self, deadline: float) -> bool:
        """Wait for the thread until a moment of the monotonic clock; returns whether it ended."""
        if self._thread is None:
            return True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _owed(self) -> Iterator[int]:
        with suppress(FileNotFoundError), os.scandir(self._debts) as entries:
            for entry in entries:
                if entry.name.isascii() and entry.name.isdigit():
                    yield int(entry.name)

    def _settle(self, job: int) -> None:
        try:
            (self._debts / str(job)).unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: %s: the script will run for job %d again", self._debts, error.strerror, job)

    def _queue(self, job: int) -> None:
        """Put a job into the line; the thread is there once there is something to do."""
        with self._wake:
            if self._stopping or job in self._line:
                return
            self._line[job] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="after-delivery", daemon=True)
                self._thread.start()
            self._wake.notify()

    # the thread

    def _work(self) -> None:
        while (job := self._next()) is not None:
            with working_on(request=self._store.request_name_of(job), job=job):
                try:
                    ended = self._run(job)
                except Interrupted:
                    return
                except (BookhopperError, OSError) as error:
                    self._put_off(job, str(error))
                except Exception:
                    log.exception("job %d met a fault of bookhopper's own; please report it", job)
                    self._settle(job)
                else:
                    self._heed(job, ended)

    def _next(self) -> int | None:
        """Wait for a job and give it; None once it is to stop."""
        with self._wake:
            while not self._stopping:
                wait = self._not_before - time.monotonic()
                if self._line and wait <= 0:
                    job, _ = self._line.popitem(last=False)
                    self._ticket = Ticket(job)
                    return job
                self._wake.wait(wait if self._line else None)
        return None

    def _run(self, number: int) -> Ended | None:
        """Run the script on a job's book; None where it is not to be run any more."""
        script, ticket = self._script, self._ticket
        job, delivery = self._store.job(number), self._store.delivery(number)
        is_owed = (self._debts / str(number)).exists()  # else another turn of its has come first
        if not is_owed or script is None or ticket is None or job is None or delivery is None:
            return None
        request = self._store.request_name(job.request)
        with (
            working_on(request=request, job=number, source=delivery.source),
            self._scratch.folder(number) as folder,
        ):
            paths = self._paths(delivery, folder)
            told = facts(script.stage, job, _book(job, delivery), paths, repeated=self._was_begun(number))
            ended = script.run(paths["file"] or self._ingest / delivery.name, told, folder, ticket)
            ended.say(number)
        self.ran(ended)
        return ended

    def _paths(self, delivery: Delivery, folder: Path) -> dict[str, Path | None]:
        """Tell where the book lies: a copy of ours under its name, since ingest's consumer eats the other.

        Ours stays as it is, whatever a script does to the one that it gets.  Raises HeldError.
        """
        delivered = self._ingest / delivery.name
        copy = folder / Path(delivery.name).name
        try:
            copy_file(self._copies.path(delivery.job), copy)
        except FileNotFoundError:  # none is kept
            return {"file": delivered if delivered.exists() else None, "ingest": delivered}
        except OSError as error:
            raise self._scratch.cannot_write(error) from error
        return {"file": copy, "ingest": delivered}

    def _was_begun(self, job: int) -> bool:
        """Tell whether a run was begun before, and note that one is now; raises OSError."""
        debt = self._debts / str(job)
        begun = debt.read_text(encoding="utf-8") == _BEGUN
        debt.write_text(_BEGUN, encoding="utf-8")
        return begun

    def _heed(self, job: int, ended: Ended | None) -> None:
        if ended is not None and ended.outcome in {"later", "not_started"}:
            self._put_off(job, f"script.{ended.stage}: {ended.reason}")
            return
        self._said = ""
        if ended is not None and ended.outcome != "passed":
            self._note(job, f"script.{ended.stage}: {ended.reason}")
        self._settle(job)

    def _put_off(self, job: int, why: str) -> None:
        """Put a job at the end of the line, which waits a moment; the reason is said once."""
        if why != self._said:
            self._said = why
            log.warning("what comes after deliveries waits: %s", why)
        with self._wake:
            self._line[job] = None
            self._not_before = time.monotonic() + self.later_seconds

    def _note(self, number: int, note: str) -> None:
        """Say in report and history what the script came to."""
        try:
            job = self._store.job(number)
            said = f"{job.error}; {note}" if job is not None and job.error else note
            self._store.move(Move(number, State.DONE, State.DONE, said))
        except BookhopperError as error:
            log.warning("job %d: %s (which cannot be noted: %s)", number, note, error)


def _book(job: Job, delivery: Delivery) -> dict[str, object]:
    """Describe what was delivered."""
    same = (each for each in job.candidates if (each.source, each.key) == (delivery.source, delivery.key))
    candidate = next(same, Candidate(delivery.source, delivery.key, job.want.title, job.want.authors))
    return book_facts(
        candidate,
        kind=delivery.format,
        size=delivery.size,
        sha256=delivery.sha256,
        name=delivery.name,
    )


def _unheard(_: Ended) -> None:
    """Stand in until the metrics listen."""
