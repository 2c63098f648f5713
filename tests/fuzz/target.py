"""What a target is, how one case of it is tried, and what counts as a crash, a hang or an escape."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from bookhopper.errors import BookhopperError

CPU_SECONDS = 20.0
"""Processor time that one case may take: a hundred times what the dearest takes on a slow machine."""

Case = Callable[[bytes], object]
Opened = Callable[[], AbstractContextManager[Case]]


class EscapeError(AssertionError):
    """Input reached what it may not: another folder, host, line of the log, or more than its share."""


class HangError(BaseException):
    """A case takes too long; no `except Exception` of the code that is tried may swallow it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes bytes from outside.

    `opened` prepares it (a folder, a server) and gives what tries one case; `refusals` are the errors by
    which the daemon refuses input, each one line for a person; `words` are what its input is made of.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    opened: Opened
    refusals: tuple[type[Exception], ...] = (BookhopperError,)
    words: tuple[bytes, ...] = ()
    max_bytes: int = 16 << 10


@dataclass(slots=True)
class Tally:
    """How many cases of each target were tried, and how each find was called."""

    cases: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)

    def figures(self) -> Mapping[str, object]:
        """Give what is told at the end of a run."""
        return {
            "targets": len(self.cases),
            "cases tried": f"{self.cases.total():,}",
            "crashes": len(self.crashes),
            "escapes": len(self.escapes),
        }

    def clear(self) -> None:
        """Begin anew."""
        self.cases.clear()
        self.crashes.clear()
        self.escapes.clear()


TALLY = Tally()
"""Of this process; a run of pytest ends with it."""


def simple(run: Case) -> Opened:
    """Make what needs no preparation openable."""
    return lambda: nullcontext(run)


def attempt(target: Target, case: Case, data: bytes) -> None:
    """Try one case: it may succeed or be refused in one line; everything else is a find, and raised."""
    TALLY.cases[target.name] += 1
    try:
        with _bounded(CPU_SECONDS):
            case(data)
    except target.refusals as refusal:
        _judge_refusal(target, refusal)
    except EscapeError as escape:
        TALLY.escapes.append(f"{target.name}: {escape}")
        raise
    except (Exception, HangError) as crash:
        TALLY.crashes.append(f"{target.name}: {crash!r}")
        raise


def _judge_refusal(target: Target, refusal: Exception) -> None:
    try:
        for line in getattr(refusal, "faults", [str(refusal)]):  # the configuration's are several
            one_line(line, "a refusal", most=4_000)
    except EscapeError as escape:
        TALLY.escapes.append(f"{target.name}: {escape}")
        raise escape from refusal


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise HangError(f"more than {seconds:.0f} s of processor time")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# what holds for every value that comes out


_BREAKING = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, line ends, marks that turn the direction of writing, halves of characters."""


def one_line(text: str, what: str, *, most: int = 10_000) -> None:
    """See that a text from outside can stand in a log, a header, a report: one line, bounded, UTF-8."""
    check(not _BREAKING.search(text), f"{what} has control characters: {text[:200]!r}")
    check(len(text) <= most, f"{what} has {len(text):,} characters, more than {most:,}")


def address(url: str, most: int = 10_000) -> None:
    """See that what shall be asked for can stand in a request's line."""
    check(url.startswith(("http://", "https://")), f"an address {url[:200]!r}")
    check(not re.search(r"[\0-\x1f\x7f]", url), f"an address with control characters: {url[:200]!r}")
    check(len(url) <= most, f"an address of {len(url):,} characters")


def check(holds: object, otherwise: str) -> None:
    """Raise EscapeError unless something holds."""
    if not holds:
        raise EscapeError(otherwise)


def texts(data: bytes, count: int) -> list[str]:
    """Cut a case into texts at its NULs, the last of which takes the rest; half characters stay such."""
    parts = data.split(b"\0", count - 1)
    return [part.decode("utf-8", "surrogateescape") for part in parts + [b""] * (count - len(parts))]


HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\r\n\0]*")
"""A header as RFC 9110 has it (5.1 and 5.5)."""
