"""Somebody who is told: a thread of its own, so that one who hangs keeps nobody else waiting.

What waits to be told lies under the state folder, too, written down every two seconds at most: after a stop
in which it did not get through, or a kill, the next start goes on with it.  It is struck out once it was
taken, so that a kill in that very moment may tell it twice; nothing is left untold.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bookhopper.durable import make_folder, write_file
from bookhopper.errors import BookhopperError
from bookhopper.notify.digest import due_slot, last_slot
from bookhopper.notify.left import Left, read_left
from bookhopper.notify.messages import Bundle, Message
from bookhopper.notify.sender import THREADS, Sender
from bookhopper.notify_settings import Event, NotifySettings
from bookhopper.units import counted

log = logging.getLogger("bookhopper.notify")

PAUSES = (15.0, 60.0, 240.0)
"""For how many seconds a message waits before each further try; after the last it is dropped."""

_KEEP_SECONDS = 2.0
_CLOCK_SECONDS = 3600.0

Told = Callable[[str, str], None]
"""Hears of each try, by the name of whom it was for, as one of `OUTCOMES`."""

OUTCOMES = ("sent", "failed", "dropped")
"""How a try ends: `failed` is followed by another one, `dropped` is not."""


@dataclass(slots=True, eq=False)
class _Letter:
    """A message that is to be sent, with the bundle that it was made of, or the slot of its digest."""

    message: Message
    bundle: Bundle | None = None
    slot: float | None = None
    tries: int = 0
    not_before: float = 0.0


class Target:
    """Tells one of `notify:`; `add` and `look` may be called from any thread, and wait for nobody."""

    def __init__(
        self,
        settings: NotifySettings,
        url: str,
        kept: Path,
        told: Told,
        *,
        page: str = "",
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Take up what lies in the file `kept`; `page` is the address of the live page, or empty."""
        self.settings = settings
        self._url = url
        self._kept = kept
        self._told = told
        self._page = page
        self._pauses = pauses
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        left = read_left(kept)
        self._bundle = left.bundle
        latest = last_slot(time.time(), settings.digest_minute)
        self._slot = latest if left.slot is None else left.slot  # the first digest is of a day that it saw
        self._due = time.monotonic() + settings.every if self._bundle else math.inf
        self._letters: list[_Letter] = []
        self._keep_at = 0.0 if self._gives_digest else math.inf
        self._sender: Sender | None = None
        self._open = True
        self._complaint = ""
        self._stopping = False
        self._retired = False
        self._thread = threading.Thread(target=self._run, name=f"{THREADS}{settings.name}", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def add(self, event: Event, line: str) -> None:
        """Note what happened, where it is one of those that are wanted."""
        if event not in self.settings.events:
            return
        with self._wake:
            self._bundle.add(event, line)
            if self._due == math.inf:
                self._due = time.monotonic() + self.settings.every
                self._wake.notify()
            self._soil()

    def look(self, now: float, write: Callable[[float, float], Message | None]) -> None:
        """See whether the digest is due at a moment (epoch seconds); `write` makes it of what came since."""
        if not self._gives_digest:
            return
        with self._wake:
            if self._slot > now + _CLOCK_SECONDS:  # it was told by a clock that was wrong
                self._slot = now
            slot = due_slot(self._slot, now, self.settings.digest_minute)
            if slot is None or any(letter.slot is not None for letter in self._letters):
                return
            since = self._slot
        message = write(since, now)
        with self._wake:
            if message is None:
                self._slot = slot
                self._soil()
            else:
                self._letters.append(_Letter(message, slot=slot))
            self._wake.notify()

    def change(self, settings: NotifySettings, url: str) -> None:
        """Go by other settings from now on; what waits to be told goes by them as well."""
        with self._wake:
            if Event.DIGEST in settings.events and not self._gives_digest:
                self._slot = last_slot(time.time(), settings.digest_minute)
            self._open = self._open or url != self._url or self._sender is None
            self.settings, self._url = settings, url
            self._due = min(self._due, time.monotonic() + settings.every) if self._bundle else math.inf
            self._soil()
            self._wake.notify()

    def stop(self, *, retired: bool = False) -> None:
        """Send what waits, once, and end; one that is `retired` leaves nothing behind."""
        with self._wake:
            self._stopping, self._retired = True, retired
            self._wake.notify()

    def join(self, deadline: float) -> bool:
        """Wait for that until a moment of the monotonic clock; what is not through by then is kept."""
        if self._thread.ident is not None:  # else it was never started
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() and not self._retired:
            self._keep()
        return not self._thread.is_alive()

    # the thread

    @property
    def _gives_digest(self) -> bool:
        return Event.DIGEST in self.settings.events

    def _soil(self) -> None:
        """Note, with the lock held, that the file does not hold all that waits."""
        if self._keep_at == math.inf:
            self._keep_at = time.monotonic() + _KEEP_SECONDS
            self._wake.notify()

    def _run(self) -> None:
        while self._await():
            if self._open:
                self._understand()
            for letter in self._take_due():
                self._send(letter)
            if self._keep_at <= time.monotonic():
                self._keep()
        self._end()

    def _await(self) -> bool:
        """Wait until there is something to do; False: the end."""
        with self._wake:
            while not (self._stopping or self._open or (seconds := self._patience()) <= 0):
                self._wake.wait(None if seconds == math.inf else seconds)
            return not self._stopping

    def _patience(self) -> float:
        """Tell, with the lock held, in how many seconds there is something to do."""
        moments = [letter.not_before for letter in self._letters]
        if not self._is_underway():
            moments.append(self._due)
        return min([self._keep_at, *moments]) - time.monotonic()

    def _is_underway(self) -> bool:
        """Whether a bundle is being sent: what happens meanwhile is the next one's."""
        return any(letter.bundle is not None for letter in self._letters)

    def _take_due(self) -> list[_Letter]:
        """Give the letters whose time has come, a bundle's as well."""
        with self._wake:
            now = time.monotonic()
            if self._due <= now and not self._is_underway():
                self._seal()
            return [letter for letter in self._letters if letter.not_before <= now]

    def _seal(self) -> None:
        """Make a letter, with the lock held, of what was gathered."""
        bundle, self._bundle, self._due = self._bundle, Bundle(), math.inf
        self._letters.append(_Letter(bundle.message(self._page), bundle))

    def _understand(self) -> None:
        """Open the way out; where there is none, that is said at once, and again tried for each message."""
        self._open = False
        self._sender = None
        try:
            self._sender = Sender(self._url)
        except BookhopperError as fault:
            self._complain(f"{fault}; what would be sent to it is dropped until that is mended")
        else:
            self._complain("")

    def _send(self, letter: _Letter, *, last: bool = False) -> None:
        """Try once; at the `last` time of this run it stays kept where it does not get through."""
        if self._keep_at != math.inf:
            self._keep()  # before it is gone, should we be killed meanwhile
        fault = self._fault(letter.message)
        letter.tries += 1
        over = not fault or (letter.tries > len(self._pauses) and not last)
        outcome = "dropped" if fault and over else "failed" if fault else "sent"
        with self._wake:
            if over:
                self._letters.remove(letter)
                if letter.slot is not None:
                    self._slot = letter.slot
            else:
                pause = self._pauses[min(letter.tries, len(self._pauses)) - 1] if self._pauses else 0.0
                letter.not_before = time.monotonic() + pause
        self._told(self.settings.name, outcome)
        if outcome == "dropped":
            self._complain(f"{fault} ({counted(letter.tries, 'try', 'tries')}): a message is dropped")
        elif outcome == "sent":
            self._complain("")
        else:
            log.debug("notify %s: %s", self.settings.name, fault)
        if over:
            self._keep()

    def _fault(self, message: Message) -> str:
        """Send a message; tell in safe words what kept it from getting through, or nothing."""
        try:
            if self._sender is None:
                self._sender = Sender(self._url)
            self._sender.send(message)
        except BookhopperError as fault:
            return str(fault)
        return ""

    def _complain(self, complaint: str) -> None:
        """Warn once of a time in which nothing gets through."""
        if complaint and not self._complaint:
            log.warning("notify %s: %s", self.settings.name, complaint)
        elif self._complaint and not complaint:
            log.info("notify %s: all is well again", self.settings.name)
        self._complaint = complaint

    def _end(self) -> None:
        """Send all that waits, as one bundle, once."""
        with self._wake:
            waiting = [letter for letter in self._letters if letter.bundle is not None]
            for letter in waiting:
                assert letter.bundle is not None
                self._letters.remove(letter)
                self._bundle = letter.bundle.with_later(self._bundle)
            if self._bundle:
                self._seal()
            letters = list(self._letters)
        for letter in letters:
            self._send(letter, last=True)
        self._keep()
        if letters := self._letters:
            kept = "" if self._retired else ", and is kept for the next start"
            log.warning(
                "notify %s: %s did not get through%s",
                self.settings.name,
                counted(len(letters), "message"),
                kept,
            )

    def _keep(self) -> None:
        """Write down what waits to be told; where that cannot be, it goes on without."""
        with self._writing:
            with self._wake:
                self._keep_at = math.inf
                whole = self._bundle
                for letter in self._letters:
                    whole = letter.bundle.with_later(whole) if letter.bundle is not None else whole
                left = Left(whole, self._slot if self._gives_digest else None)
                text = left.as_text()
            try:
                if self._retired:
                    self._kept.unlink(missing_ok=True)
                else:
                    make_folder(self._kept.parent)
                    write_file(self._kept, text)
            except OSError as error:
                log.warning("%s cannot be written: %s", self._kept, error.strerror)
