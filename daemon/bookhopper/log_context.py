"""What is being worked on: the request, the job and the source that every line of the log tells of.

It is set where work begins, and follows the work into other threads; who logs need not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work:
    """What somebody works on: a request by its name, a job by its number, a source by its name."""

    request: str = ""
    job: int | None = None
    source: str = ""


_NOTHING = Work()
_work: ContextVar[Work] = ContextVar("work", default=_NOTHING)


def current() -> Work:
    """Tell what is being worked on here."""
    return _work.get()


@contextmanager
def working_on(
    *, request: str | None = None, job: int | None = None, source: str | None = None
) -> Iterator[None]:
    """Have each line that is logged in a block tell of these; what is not given stays as it is around it."""
    around = _work.get()
    token = _work.set(
        Work(
            around.request if request is None else request,
            around.job if job is None else job,
            around.source if source is None else source,
        )
    )
    try:
        yield
    finally:
        _work.reset(token)


def carried(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Give a call for another thread to make, which works on what is being worked on here."""
    return partial(copy_context().run, call)
