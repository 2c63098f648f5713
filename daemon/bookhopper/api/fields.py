"""Parameters and bodies as they come in: bounded, validated, and a fault names its field in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bookhopper.api.errors import IncompleteError, InvalidFieldError, TooLargeError
from bookhopper.control import FEWEST_WORKERS, MOST_WORKERS
from bookhopper.errors import HeldError
from bookhopper.intake.base import shown
from bookhopper.store.base import PRIORITY_BOUND

MAX_BODY = 1024**2
"""How large a JSON body may be, in bytes."""

MAX_BATCH = 1000
"""How many downloads one batch may name."""

MAX_LIMIT = 1000

_LIMIT = 100
_MAX_NUMBER = 10**9
_MAX_TEXT = 1000
_READ_SECONDS = 30.0
_WHOLE_SECONDS = 300.0
_ACTIONS = ("cancel", "pause", "resume", "retry", "priority", "move", "pick")
_THROWN_AWAY = 64 * 1024**2

_WHOLE_NUMBER = "a whole number is expected"
_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is no field of this call",
    "json_invalid": "no JSON: {error}",
    "model_type": "an object is expected",
    "tuple_type": "a list is expected",
    "int_type": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "greater_than_equal": "at least {ge} is expected",
    "less_than_equal": "at most {le} is expected",
    "too_short": "at least {min_length} is expected",
    "too_long": "at most {max_length} are expected",
    "literal_error": "{expected} is expected",
    "value_error": "{error}",
}
"""What pydantic calls a fault, and what it is to a person."""

Endpoint = Callable[[Request], Awaitable[Response]]
"""What Starlette calls on its loop; its own plain functions it runs on threads."""


def _text(given: Any) -> str:
    """Take a text that a database and a log can hold: not empty, not endless, no NUL, no half characters."""
    if not isinstance(given, str) or not 0 < len(given) <= _MAX_TEXT or "\0" in given:
        raise ValueError("a text is expected")
    return given


def _whole(given: Any) -> Any:
    """Take a number such as 5.0 for the whole number that it is, as JSON does; `true` is none."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _reference(given: Any) -> str | int:
    """Take a download's number or the id of a book."""
    number = _whole(given)
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63:
        return number
    try:
        return _text(given)
    except ValueError:
        raise ValueError("the number of a download or the id of a book is expected") from None


Text = Annotated[str, PlainValidator(_text)]
Reference = Annotated[str | int, PlainValidator(_reference)]
References = Annotated[tuple[Reference, ...], Field(min_length=1, max_length=MAX_BATCH)]
Priority = Annotated[int, BeforeValidator(_whole), Field(ge=-PRIORITY_BOUND, le=PRIORITY_BOUND)]


class Body(BaseModel):
    """What all bodies share: an unknown field is a fault, and `true` and "1" are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PriorityBody(Body):
    """A new priority; lower is more urgent."""

    priority: Priority


class MoveBody(Body):
    """The download that another is to stand before; null: behind all of its priority."""

    before: Reference | None


class PickBody(Body):
    """A book that was picked by hand."""

    source: Text
    key: Text


class WorkersBody(Body):
    """A new number of workers."""

    workers: Annotated[int, BeforeValidator(_whole), Field(ge=FEWEST_WORKERS, le=MOST_WORKERS)]


class BatchBody(Body):
    """Books to be queued; the two names of the list mean the same."""

    book_ids: References = ()
    track_ids: References = ()
    priority: Priority | None = None

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if bool(self.book_ids) == bool(self.track_ids):
            raise ValueError("either book_ids or track_ids is expected")
        return self

    @property
    def ids(self) -> tuple[Reference, ...]:
        """The books, whatever the list was called."""
        return self.book_ids or self.track_ids


class BatchActionBody(Body):
    """Something to be done to several downloads; a priority means nothing to the other actions."""

    ids: References
    action: Literal["pause", "resume", "cancel", "priority", "retry"]
    priority: Priority | None = None

    @model_validator(mode="after")
    def _priority_where_it_belongs(self) -> Self:
        if self.action == "priority" and self.priority is None:
            raise ValueError("priority is expected with the action priority")
        return self


Model = TypeVar("Model", bound=Body)


def taking(model: type[Model], handler: Callable[[Request, Model], Response]) -> Endpoint:
    """Make an endpoint of a handler that takes a JSON body; the handler runs on a thread."""

    def checked(request: Request, data: bytes) -> Response:
        return handler(request, parse(model, data))

    return taking_bytes(checked, MAX_BODY)


def taking_bytes(handler: Callable[[Request, bytes], Response], limit: int) -> Endpoint:
    """Make an endpoint of a handler that takes a body of at most `limit` bytes as it comes."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(handler, request, await _read(request, limit))

    return endpoint


def by_turns(endpoint: Endpoint, most: int) -> Endpoint:
    """Let at most `most` requests into an endpoint at a time; others wait, though not for ever."""
    turns = asyncio.Semaphore(most)

    async def in_turn(request: Request) -> Response:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await turns.acquire()
        except TimeoutError:
            raise HeldError(f"{most} others are at this already: try again a little later") from None
        try:
            return await endpoint(request)
        finally:
            turns.release()

    return in_turn


def parse(model: type[Model], data: bytes) -> Model:
    """Read a JSON body; raises InvalidFieldError."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidFieldError(_field(first), _problem(first)) from None


async def _read(request: Request, limit: int) -> bytes:
    """Read a body; raises TooLargeError, and IncompleteError where it breaks off or does not come.

    What is too large is read on for a while and thrown away: somebody who is still sending would see a broken
    connection in place of the answer.
    """
    parts: list[bytes] = []
    size = 0
    chunks = aiter(request.stream())
    now = asyncio.get_running_loop().time
    end = now() + _WHOLE_SECONDS
    while size <= limit + _THROWN_AWAY:
        try:
            async with asyncio.timeout_at(min(now() + _READ_SECONDS, end)):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except ClientDisconnect:
            raise IncompleteError("the body broke off") from None
        except TimeoutError:
            words = f"nothing came of the body for {_READ_SECONDS:.0f} seconds"
            late = f"the body took more than {_WHOLE_SECONDS:.0f} seconds"
            raise IncompleteError(late if now() >= end else words) from None
        size += len(chunk)
        if size <= limit:
            parts.append(chunk)
        else:
            parts.clear()
    if size > limit:
        raise TooLargeError(f"the body is too large: at most {limit} bytes are read")
    return b"".join(parts)


def _field(fault: ErrorDetails) -> str:
    return ".".join(shown(str(part)) for part in fault["loc"]) or "body"


def _problem(fault: ErrorDetails) -> str:
    """Say in plain words what was expected."""
    words = _PROBLEMS.get(fault["type"])
    if words is None:
        return fault["msg"][:1].lower() + fault["msg"][1:]
    return words.format(**fault.get("ctx", {}))


class _BookId(StringConvertor):
    """The id of a book in a path, `{id:book}`: a number, or `source:key`, whose key may hold slashes.

    It never ends in the name of an action, so that a wrong method there is told from an unknown id.
    """

    regex = "(?:[0-9]+|[^/:]+:.+)" + "".join(f"(?<!/{action})" for action in _ACTIONS)

    def convert(self, value: str) -> str:
        return value


register_url_convertor("book", _BookId())


def number(request: Request, name: str) -> int | None:
    """Read a parameter that is a whole number from 0 to a thousand million; raises InvalidFieldError."""
    text = request.query_params.get(name)
    if text is None:
        return None
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_NUMBER))
    if not digits or int(text) > _MAX_NUMBER:
        raise InvalidFieldError(name, "a whole number from 0 is expected")
    return int(text)


def paging(request: Request) -> tuple[int, int]:
    """Read how many items a list is to show (a thousand at most), and from which on."""
    limit = number(request, "limit")
    return _LIMIT if limit is None else min(limit, MAX_LIMIT), number(request, "offset") or 0
