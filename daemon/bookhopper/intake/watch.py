"""The intake thread: what lands in the requests folder is waited for until it rests, then taken.

Events only say which names to look at.  A burst of them is answered by scanning the folder, which is a
thousand times cheaper; a rescan from outside, every few minutes, finds what no event ever told of.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bookhopper.intake import names
from bookhopper.intake.folder import RequestFolder, Signature
from bookhopper.intake.growth import REMEMBERED_SECONDS, Growth
from bookhopper.intake.observer import FolderObserver, Polling
from bookhopper.intake.parse import is_request
from bookhopper.intake.settle import Settling
from bookhopper.intake.taking import Again, Filed
from bookhopper.log_context import working_on

_log = logging.getLogger("bookhopper.intake")

_LOOK_SECONDS = 1.0
"""How often the thread looks after the folder and the observer when nothing happens."""

_BURST = 200
"""Events in a second; beyond that the folder is scanned instead of asking about one name after another."""

_BURST_SCAN_SECONDS = 0.25
_DOUBTFUL_SECONDS = 5.0
"""How long an empty file rests, or one whose name ends in no known suffix: it may still become a list."""


class Watcher:
    """Watches one requests folder and hands settled files, one at a time, to `take`.

    `watching` is set once the folder is observed for the first time.

    `settle` and `poll_interval` are seconds.  `take` gets a name in the folder, never raises, and says
    whether to come back to it, or where it was filed: a list that grows there is taken once more.
    """

    def __init__(
        self,
        folder: RequestFolder,
        take: Callable[[str], Again | Filed | None],
        *,
        settle: float = 1.0,
        polling: Polling = "auto",
        poll_interval: float = 1.0,
        doubtful: float = _DOUBTFUL_SECONDS,
    ) -> None:
        self._folder = folder
        self._take = take
        self._settle = settle
        self._doubtful = max(settle, doubtful)
        self._settling = Settling(settle)
        self._growth = Growth(settle)
        self._growth_look = 0.0
        self._observer = FolderObserver(folder, self._noticed, polling, poll_interval)
        self._wake = threading.Condition()
        self._names: set[str] = set()
        self._burst_until = 0.0
        self._counted_since = 0.0
        self._counted = 0
        self._rescan_wanted = False
        self._scan_again = math.inf
        self._complaint = ""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.watching = threading.Event()
        self.heartbeat = time.time()
        self.last_scan = 0.0
        self.rescan_found = 0

    @property
    def alive(self) -> bool:
        """Whether the thread runs and the folder is observed."""
        return self._thread.is_alive() and self._observer.alive

    @property
    def polling(self) -> bool:
        """Whether the folder is polled because its file system or the system's limits ask for it."""
        return self._observer.polling

    @property
    def breaks(self) -> int:
        """How often watching broke off and began anew."""
        return self._observer.breaks

    def start(self) -> None:
        """Begin: what lies in the folder already is taken like what comes."""
        self._thread.start()

    def rescan(self) -> None:
        """Look through the whole folder soon; what only this finds is counted in `rescan_found`."""
        with self._wake:
            self._rescan_wanted = True
            self._wake.notify()

    def stop(self) -> None:
        """Ask the thread to end after the file that it is at."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self, deadline: float) -> bool:
        """Wait for the thread until a moment of the monotonic clock; returns whether it ended."""
        if self._thread.ident is not None:  # else it was never started
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _noticed(self, name: str) -> None:
        """Hear of a name, on watchdog's thread."""
        now = time.monotonic()
        with self._wake:
            if now - self._counted_since > _LOOK_SECONDS:
                self._counted_since, self._counted = now, 0
            self._counted += 1
            if self._counted > _BURST or now < self._burst_until:
                self._burst_until = now + self._settle + _LOOK_SECONDS
                return
            if not self._names:
                self._wake.notify()
            self._names.add(name)

    def _run(self) -> None:
        self._adopt_filed()
        try:
            while not self._stopping:
                try:
                    self._round()
                except Exception:  # noqa: BLE001 - the thread must outlive what nobody thought of
                    _log.exception("watching the requests folder met a fault in bookhopper; going on")
                    self._rest(_LOOK_SECONDS)
                self._rest()
        finally:
            self._observer.stop()

    def _round(self) -> None:
        self.heartbeat = time.time()
        if self._observer.ensure():
            self.watching.set()
            self._adopt_leftovers()
            self._scan()
        with self._wake:
            noticed, self._names = self._names, set()
            rescan, self._rescan_wanted = self._rescan_wanted, False
            burst = time.monotonic() < self._burst_until
        for name in noticed:
            self._look_at(name)
        if rescan or burst or time.monotonic() >= self._scan_again:
            self._scan(rescan=rescan and not burst)
        self._take_due()
        if rescan or time.monotonic() >= self._growth_look:
            self._take_grown()

    def _rest(self, at_least: float = 0.0) -> None:
        with self._wake:
            if at_least or not (self._names or self._rescan_wanted or self._stopping):
                self._wake.wait(max(at_least, self._patience()))

    def _patience(self) -> float:
        now = time.monotonic()
        due = self._settling.next_due()
        wait = _BURST_SCAN_SECONDS if now < self._burst_until else _LOOK_SECONDS
        return wait if due is None else max(0.0, min(wait, due - now))

    def _look_at(self, name: str) -> None:
        if name in self._settling or not names.is_ignored(name):
            try:
                signature = self._folder.look(name)
            except FileNotFoundError:
                return  # the folder is away; once it is back it is scanned
            except OSError:
                self._scan_again = time.monotonic() + _LOOK_SECONDS  # this event must not be lost
                return
            self._settling.observe(name, signature, time.monotonic(), event=True)

    def _scan(self, *, rescan: bool = False) -> None:
        try:
            found = self._folder.scan()
        except OSError as fault:
            self._scan_again = time.monotonic() + _LOOK_SECONDS
            if self._complaint != (complaint := fault.strerror or str(fault)):
                self._complaint = complaint
                _log.warning("the requests folder %s cannot be read: %s", self._folder.path, complaint)
            return
        self._scan_again, self._complaint = math.inf, ""
        self._settling.observe_all(found, time.monotonic(), rescan=rescan)
        self.last_scan = time.time()

    def _adopt_leftovers(self) -> None:
        try:
            for name in self._folder.leftovers():
                self._settling.observe(name, self._folder.look(name), time.monotonic())
        except OSError:
            return  # away again; the next beginning asks again

    def _adopt_filed(self) -> None:
        """Remember the lists that were filed shortly before: their writers may have gone on meanwhile."""
        with suppress(OSError):  # the folder is away
            filed = self._folder.modified_since(names.ACCEPTED, time.time() - REMEMBERED_SECONDS)
            for name in filter(is_request, filed):
                self._growth.adopt(name, filed[name], time.monotonic())

    def _take_due(self) -> None:
        for name in self._settling.due(time.monotonic()):
            if self._stopping:
                return
            if self._has_settled(name):
                self.heartbeat = time.time()
                self._hand_over(name)

    def _take_grown(self) -> None:
        """Take lists again whose writers went on after they were filed."""
        now = time.monotonic()
        self._growth_look = now + _LOOK_SECONDS
        remembered = self._growth.names(now)
        if not remembered:
            return
        try:
            found = self._folder.look_in(names.ACCEPTED, remembered)
        except OSError:
            return  # the folder is away; the next look asks again
        for name in remembered:
            self._growth.observe(name, found.get(name), now)
        for name in self._growth.due(now):
            if self._stopping:
                return
            self.heartbeat = time.time()
            self._take_again(name)

    def _take_again(self, name: str) -> None:
        with working_on(request=names.display(name)):
            self._take_back(name)

    def _take_back(self, name: str) -> None:
        private = names.private_name(name)  # another token: what is new in it is to be added
        try:
            self._folder.take_back(names.ACCEPTED, name, private)
            self._folder.sync(private)
        except OSError as fault:
            if self._signature(private) is None:
                _log.debug("%s cannot be taken again yet: %s", names.display(name), fault.strerror)
                return
        self._growth.forget(name)
        _log.info("%s grew after it was taken; taking it again", names.display(name))
        self._hand_over(private)

    def _has_settled(self, name: str) -> bool:
        """Look at a file once more: it must be as it was when its rest began."""
        now = time.monotonic()
        try:
            signature = self._folder.look(name)
        except OSError:
            self._settling.postpone(name, now + _LOOK_SECONDS)
            return False
        self._settling.observe(name, signature, now)
        if signature is None:
            return False
        if signature.is_file and (signature.size == 0 or not is_request(name)):
            self._settling.rest(name, self._doubtful)
        return self._settling.is_due(name, now)

    def _hand_over(self, name: str) -> None:
        if self._settling.only_by_rescan(name):
            self.rescan_found += 1
            with working_on(request=names.display(name)):
                _log.debug("%s was found by the rescan only", names.display(name))
        ending = self._take(name)
        if ending is None and self._signature(name) is not None:
            self._settling.handled(name)
            return
        self._settling.forget(name)
        now = time.monotonic()
        if isinstance(ending, Filed):
            self._growth.remember(ending.name, ending.read, now)
        elif ending is not None:
            self._settling.observe(ending.name, self._signature(ending.name), now)
            if ending.seconds is not None:
                self._settling.postpone(ending.name, now + ending.seconds)

    def _signature(self, name: str) -> Signature | None:
        try:
            return self._folder.look(name)
        except OSError:
            return None  # the folder is away, and is scanned when it is back
