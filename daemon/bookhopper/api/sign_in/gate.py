"""Everything that knows who somebody is: the daemon's token, API tokens, Calibre-Web's users, sessions."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread
from starlette.datastructures import Headers

from bookhopper.api.callers import Caller
from bookhopper.api.sign_in.errors import SignInUnavailableError, WrongCredentialsError
from bookhopper.api.sign_in.headers import authorization, name_and_password, session_cookie
from bookhopper.api.sign_in.lockout import Lockout
from bookhopper.api.sign_in.sessions import Identity, Sessions
from bookhopper.api.sign_in.tokens import ApiToken, TokenFile
from bookhopper.api.sign_in.users import User, Users
from bookhopper.errors import BookhopperError
from bookhopper.settings import SignIn

log = logging.getLogger("bookhopper.api")

_SHOWN = 64  # of a name that somebody made up, in the log
_WRONG_TOKENS = "the token is wrong, as too many from this address: bring a right one, or wait half an hour"
_DAEMON = Identity(Caller("", admin=True), "daemon", "")


class Gate:
    """Tells who makes a request; used by the event loop, which it never keeps waiting."""

    def __init__(
        self,
        mode: SignIn,
        *,
        daemon_token: str,
        tokens: TokenFile,
        users: Users | None,
        names: frozenset[str],
    ) -> None:
        """Put the gate together; `users` are needed in the mode `calibre-web`."""
        self.mode = mode
        self.names = names
        self.sessions = Sessions()
        self._daemon_token = daemon_token.encode()
        self._tokens = tokens
        self._users = users
        self._addresses = Lockout(words=_WRONG_TOKENS)
        self._names = Lockout()
        # one password at a time is computed: each takes 32 MB and a core, and whoever guesses has to queue
        self._turn = anyio.CapacityLimiter(1)
        self._causes: dict[str, str] = {}

    @property
    def challenge(self) -> str:
        """What a 401 asks for, as the header `WWW-Authenticate` says it."""
        return 'Basic realm="bookhopper"' if self._users is not None else "Bearer"

    def identify_token(self, headers: Headers, address: str) -> Identity | None:
        """Tell who a request's token is of; None without one.

        Raises WrongCredentialsError for a wrong one, LockedError and SignInUnavailableError.
        """
        scheme, given = authorization(headers)
        if scheme == "bearer":
            return self._by_token(given, address)
        if scheme not in {"", "basic"}:
            raise WrongCredentialsError("the token is wrong")
        return None

    async def identify(self, headers: Headers, address: str) -> Identity | None:
        """Tell who makes a request, by token, password or session; None when it brings none of them.

        Raises as `identify_token` does.
        """
        identity = self.identify_token(headers, address)
        if identity is None and self._users is not None:
            scheme, given = authorization(headers)
            if scheme == "basic":
                return await self._by_password(self._users, *name_and_password(given))
            with self._reading("app.db"):
                await anyio.to_thread.run_sync(self._users.check)
        return identity or await self._by_session(session_cookie(headers))

    def _by_token(self, token: str, address: str) -> Identity:
        # before anything else, so that nobody who guesses locks out the daemon's own commands
        if hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._daemon_token):
            return _DAEMON
        # the right one before the lock: behind a proxy all have one address, who guesses and who does not
        known = self._token(partial(self._tokens.find, token))
        if known is not None:
            self._addresses.succeeded(address)
            return known
        if self.mode != "none":
            self._addresses.check(address)
            if self._addresses.failed(address):
                log.warning("sign-in: %s gave ten wrong tokens and may not guess for half an hour", address)
        raise WrongCredentialsError("the token is wrong")

    def _token(self, find: Callable[[], ApiToken | None]) -> Identity | None:
        with self._reading("API tokens"):
            try:
                known = find()
            except BookhopperError as error:
                raise SignInUnavailableError(str(error)) from error
        return Identity(Caller(known.name, admin=True), "token", known.sha256) if known is not None else None

    async def _by_password(self, users: Users, name: str, password: str) -> Identity:
        self._names.check(name.lower())
        with self._reading("app.db"):
            user = await anyio.to_thread.run_sync(users.find, name)
            if user is None or not users.remembers(user, password):
                user = await anyio.to_thread.run_sync(
                    self._verified, users, name, password, limiter=self._turn
                )
        self._names.succeeded(name.lower())
        return _identity(user)

    def _verified(self, users: Users, name: str, password: str) -> User:
        """Compare a password when its turn has come: what the ones before it found counts already."""
        self._names.check(name.lower())
        user = users.find(name)
        if user is not None and (users.remembers(user, password) or users.verify(user, password)):
            return user
        if user is None:
            users.verify(None, password)
        if self._names.failed(name.lower()):
            log.warning("sign-in: %r is locked for half an hour after ten wrong passwords", name[:_SHOWN])
        raise WrongCredentialsError("the name or the password is wrong")

    async def _by_session(self, session: str) -> Identity | None:
        """Tell who is signed in, as long as the token is there and the password has not changed."""
        identity = self.sessions.find(session) if session else None
        if identity is None:
            return None
        current = await self._current(identity)
        if current is None:
            self.sessions.end(session)
            return None
        return replace(current, session=session)

    async def still_good(self, identity: Identity | None) -> bool:
        """Tell whether whoever came in before would be let in again; that counts as no use of a session.

        While what knows them cannot be read, nobody is sent away.
        """
        if identity is None:
            return True
        if identity.session and not self.sessions.holds(identity.session):
            return False
        try:
            return await self._current(identity) is not None
        except SignInUnavailableError:
            return True

    async def _current(self, identity: Identity) -> Identity | None:
        """Tell who that is now; None when the token was removed, the user, or their password changed."""
        name = identity.caller.name
        if identity.kind == "daemon":
            return identity
        if identity.kind == "user":
            assert self._users is not None
            with self._reading("app.db"):
                user = await anyio.to_thread.run_sync(self._users.find, name)
            current = _identity(user) if user is not None else None
        else:
            current = self._token(partial(self._tokens.named, name))
        same = current is not None and hmac.compare_digest(current.proof, identity.proof)
        return current if same else None

    @contextmanager
    def _reading(self, subject: str) -> Iterator[None]:
        """Say in the log that something cannot be read, once for each cause, and when it can again."""
        try:
            yield
        except SignInUnavailableError as error:
            if self._causes.get(subject) != error.cause:
                log.error("sign-in: %s", error.cause)  # noqa: TRY400 - one line, and no fault of ours
            self._causes[subject] = error.cause
            raise
        if self._causes.pop(subject, ""):
            log.info("sign-in: the %s can be read again", subject)


def _identity(user: User) -> Identity:
    return Identity(Caller(user.name, user.admin), "user", user.hash)
