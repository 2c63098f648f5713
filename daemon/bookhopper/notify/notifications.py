"""All who are told: hears of changes and settled lists, and hands on what each of them wants."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bookhopper.errors import BookhopperError
from bookhopper.model import Change, State
from bookhopper.notify.digest import Sight, digest
from bookhopper.notify.messages import Settled, line_of
from bookhopper.notify.target import OUTCOMES, Target
from bookhopper.notify_settings import Event, NotifySettings
from bookhopper.observe.metrics import Metrics
from bookhopper.store.base import Store
from bookhopper.store.queries import JobFilter

log = logging.getLogger("bookhopper.notify")

_EVENT_OF = {
    State.DONE: Event.DELIVERED,
    State.MISSING: Event.MISSED,
    State.AMBIGUOUS: Event.AMBIGUOUS,
    State.FAILED: Event.FAILED,
}
_LOOKS_TOLD = {Event.MISSED: (1, 1), Event.AMBIGUOUS: (1, 2), Event.FAILED: (1, 2)}
"""At which looks for a want it is told what came of them, the first and the last of these.

A look in which a source was silent does not count as one.  What is found nowhere is so day after day, and
told once; a choice, or a failure, may be news also after a first look in vain.
"""

_BOOKS = frozenset(State) - {State.EXPANDED}


def event_of(change: Change) -> Event | None:
    """Tell what a change is to those who want to know, or None where it is nothing new to them."""
    event = _EVENT_OF.get(change.after)
    if event is None or change.before is change.after:
        return None
    job = change.job
    if event is Event.FAILED and job.not_before is None:
        return event  # for good: nobody looks again
    first, last = _LOOKS_TOLD.get(event, (0, job.looks))
    return event if first <= job.looks <= last else None


class Notifications:
    """Built of the settings; with none of `notify:` it does nothing, and no thread of it runs."""

    def __init__(self, folder: Path, sight: Sight, metrics: Metrics) -> None:
        """Take the folder for what waits to be told, what digests look at, and what counts the tries."""
        self._folder = folder
        self._sight = sight
        self._metrics = metrics
        self._lock = threading.Lock()
        self._targets: Mapping[str, Target] = {}
        self._retired: list[Target] = []

    def start(self, settings: Sequence[NotifySettings]) -> None:
        """Begin to tell, and forget what waited for those who are not told any more."""
        names = {each.name for each in settings}
        try:
            for path in self._folder.glob("*.json"):
                if path.stem not in names:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be tidied: %s", self._folder, error.strerror)
        self.configure(settings)

    def configure(self, settings: Sequence[NotifySettings]) -> None:
        """Tell these from now on; who stays goes on, and who goes is sent what waited for him."""
        self._metrics.expect_targets((each.name for each in settings), OUTCOMES)
        with self._lock:
            before, after = self._targets, {}
            for each in settings:
                try:
                    url = each.address()
                except (OSError, ValueError) as error:
                    reason = error.strerror if isinstance(error, OSError) else error
                    log.warning("notify %s: %s: %s", each.name, each.url_file, reason)
                    continue
                after[each.name] = self._renewed(before.get(each.name), each, url)
            gone = [target for name, target in before.items() if name not in after]
            for target in gone:
                target.stop(retired=True)
            self._retired = [target for target in self._retired if not target.join(0.0)] + gone
            self._targets = after

    def _renewed(self, target: Target | None, settings: NotifySettings, url: str) -> Target:
        if target is not None:
            target.change(settings, url)
            return target
        kept = self._folder / f"{settings.name}.json"
        target = Target(settings, url, kept, self._metrics.notification, page=self._sight.page)
        target.start()
        return target

    # what happens

    def changed(self, change: Change) -> None:
        """Note a change; quick, from any thread."""
        if self._targets and (event := event_of(change)) is not None and self._is_wanted(event):
            self._tell(event, line_of(change.job, change.reason if event is Event.FAILED else ""))

    def completed(self, request: int, _seconds: float) -> None:
        """Note that the last want of a request is settled."""
        if not self._is_wanted(Event.LIST):
            return
        try:
            settled = settled_list(self._sight.store, request)
        except BookhopperError as error:
            log.warning("nobody is told that request %d is settled: %s", request, error)
            return
        if settled is not None:
            self._tell(Event.LIST, settled.line())

    def _is_wanted(self, event: Event) -> bool:
        return any(event in target.settings.events for target in self._targets.values())

    def _tell(self, event: Event, line: str) -> None:
        for target in self._targets.values():
            target.add(event, line)

    def look(self) -> None:
        """See whether a digest is due; raises HeldError and StoreError."""
        for target in self._targets.values():
            target.look(time.time(), lambda told, now: digest(self._sight, told, now))

    # the end

    def stop(self, deadline: float) -> None:
        """Send what waits by a moment of the monotonic clock; what does not get through is kept."""
        with self._lock:
            targets = [*self._targets.values(), *self._retired]
            for target in self._targets.values():
                target.stop()
        ended = [target.join(deadline) for target in targets]
        if not all(ended):
            log.warning("a notification did not get through in time; it is kept for the next start")


def settled_list(store: Store, request: int) -> Settled | None:
    """Count what became of a request's wants, the books of its collections among them; None: it is not there.

    Raises HeldError and StoreError.
    """
    found = store.request(request)
    if found is None:
        return None

    def count(*states: State) -> int:
        return store.count(JobFilter(frozenset(states), request=request))

    return Settled(
        name=found.name,
        books=count(*_BOOKS),
        delivered=count(State.DONE),
        owned=count(State.OWNED, State.DUPLICATE),
        missed=count(State.MISSING),
        ambiguous=count(State.AMBIGUOUS),
        failed=count(State.FAILED),
        cancelled=count(State.CANCELLED),
    )
