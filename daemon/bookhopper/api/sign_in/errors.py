"""Why somebody cannot be signed in; each message is what they are told."""

from __future__ import annotations

from bookhopper.errors import BookhopperError


class WrongCredentialsError(BookhopperError):
    """No token, user or password is like this."""


class LockedError(BookhopperError):
    """Too many guesses came before; `seconds` is how much longer that is held against whoever comes."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class SignInUnavailableError(BookhopperError):
    """What knows the tokens or users cannot be read; `cause` says why, for the log only."""

    def __init__(self, cause: str) -> None:
        super().__init__("nobody can sign in now: the log of bookhopper says why")
        self.cause = cause
