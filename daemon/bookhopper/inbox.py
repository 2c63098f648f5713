"""What the daemon is asked while it runs, by signals and by people, for its main thread to do in turn."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import Empty, SimpleQueue

from bookhopper.errors import HeldError
from bookhopper.reload import Outcome

_PATIENCE_SECONDS = 60.0
_TOO_LATE = "the daemon stops; it reads its configuration at its next start"


class Inbox:
    """Takes what is asked from any thread, and from handlers of signals: its queue is reentrant.

    Once it is told to stop, it hands out nothing else.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[Future[Outcome] | None] = SimpleQueue()
        self._stopping = False

    def stop(self) -> None:
        """Ask for the end."""
        self._stopping = True
        self._asked.put(None)

    def hang_up(self) -> None:
        """Ask for the configuration to be read again, and wait for nothing."""
        self._asked.put(Future())

    def reload(self) -> Outcome:
        """Ask for the configuration to be read again, and wait for what comes of it; raises HeldError."""
        answer: Future[Outcome] = Future()
        if self._stopping:
            raise HeldError(_TOO_LATE)
        self._asked.put(answer)
        try:
            return answer.result(_PATIENCE_SECONDS)
        except FutureTimeoutError:
            raise HeldError("the daemon starts or stops: ask again in a moment") from None

    def next(self, seconds: float) -> list[Future[Outcome]] | None:
        """Wait for so long; gives those who ask for a reload, one for all of them, or None to stop."""
        asked: list[Future[Outcome]] = []
        try:
            one = self._asked.get(timeout=seconds)
            while one is not None:
                asked.append(one)
                one = self._asked.get_nowait()
        except Empty:
            pass
        if not self._stopping:
            return asked
        self.refuse(asked)
        return None

    def refuse(self, asked: list[Future[Outcome]] | None = None) -> None:
        """Tell all who still wait that the daemon stops."""
        left = list(asked or ())
        while not self._asked.empty():
            if (one := self._asked.get_nowait()) is not None:
                left.append(one)
        for answer in left:
            answer.set_exception(HeldError(_TOO_LATE))
