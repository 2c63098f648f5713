"""Who asks, as the gatekeeper found out, and what that allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bookhopper.errors import BookhopperError
from bookhopper.model import Job


class ForbiddenError(BookhopperError):
    """Whoever asks is known, but may not do this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: the name of a user or token (empty where nobody signs in), and whether all is allowed."""

    name: str
    admin: bool


ANYBODY = Caller("", admin=True)
"""Whoever asks where nobody has to sign in."""


def caller(request: Mapping[str, Any]) -> Caller:
    """Tell who made a request, given it or its ASGI scope (Starlette's requests are mappings onto theirs)."""
    found = request.get("caller", ANYBODY)
    assert isinstance(found, Caller)
    return found


def require_admin(request: Mapping[str, Any]) -> None:
    """Refuse whoever may not change what is everybody's; raises ForbiddenError."""
    if not caller(request).admin:
        raise ForbiddenError("only an administrator may do this: ask one of yours")


def require_owner(request: Mapping[str, Any], job: Job) -> None:
    """Refuse whoever neither queued a job nor is an administrator; raises ForbiddenError."""
    who = caller(request)
    if not who.admin and who.name != job.owner:
        raise ForbiddenError(f"download {job.id} was queued by somebody else: ask them, or an administrator")
