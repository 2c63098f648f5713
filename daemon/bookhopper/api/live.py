"""The live page's server side: who looks on, and one teller that tells all of them the same.

Nothing is done, and nothing kept, while nobody looks on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
from anyio.to_thread import run_sync
from starlette.responses import JSONResponse
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.websockets import WebSocket, WebSocketDisconnect

from bookhopper.api.messages import Messages, Told
from bookhopper.api.news import News
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError
from bookhopper.model import Change

log = logging.getLogger("bookhopper.live")

_INTERVAL_SECONDS = 0.3  # between two messages to a client: never more than four in any second
_SHARE = 5
"""The next message waits at least so many times what this one took to make: a fifth of one core."""

_RETRY_SECONDS = 10

StillGood = Callable[[], Awaitable[bool]]
"""Tells whether a client would still be let in."""


@dataclass(eq=False, slots=True)
class _Client:
    """Somebody who looks on, and takes one message at a time.

    `current`: was given everything so far, so that changes are enough; who was still busy with the last
    message when another was due is no longer, and gets a snapshot as soon as it is ready.
    """

    socket: WebSocket
    current: bool = False
    _message: str = ""
    _given: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        """Whether the last message was taken."""
        return not self._message

    def give(self, message: str) -> None:
        """Send a message; only when `ready`."""
        self._message = message
        self._given.set()

    async def pass_on(self) -> None:
        """Send what is given, until the connection ends."""
        # uvicorn raises one error or the other, depending on which side has begun to close
        with suppress(WebSocketDisconnect, RuntimeError):
            while await self._given.wait():
                self._given.clear()
                await self.socket.send_text(self._message)
                self._message = ""


class Live:
    """Tells every client what changes, `serve` one of them each; at most `most` at once.

    Every `recheck` seconds a client is looked at anew, since signing out closes no connection.
    """

    def __init__(self, view: View, *, most: int = 500, recheck: float = 30.0) -> None:
        self.dropped = 0
        self._messages = Messages(view)
        self._news = News()
        self._most = most
        self._recheck = recheck
        self._clients: set[_Client] = set()
        self._teller: asyncio.Task[None] | None = None
        self._complaint = ""

    @property
    def clients(self) -> int:
        """How many look on; `dropped` counts those that were let go since they did not read."""
        return len(self._clients)

    def changed(self, change: Change) -> None:
        """Note a change; quick, from any thread."""
        if self._clients:
            self._news.note(change)

    def renew(self) -> None:
        """Note that something changed of which no change tells: new lists, the queue held, the workers."""
        if self._clients:
            self._news.renew()

    async def serve(self, socket: WebSocket, still_good: StillGood) -> None:
        """Tell one client until it goes, or has to; what it says is not listened to."""
        if len(self._clients) >= self._most:
            full = {"error": f"{self._most} look on already: close other pages, or try again later"}
            await socket.send_denial_response(
                JSONResponse(full, 503, headers={"Retry-After": str(_RETRY_SECONDS)})
            )
            return
        client = _Client(socket)
        self._clients.add(client)
        sender = asyncio.create_task(client.pass_on())
        try:
            await socket.accept()
            if self._teller is None or self._teller.done():
                self._teller = asyncio.create_task(self._tell())
            await self._until_gone(socket, still_good)
        finally:
            self._clients.discard(client)
            sender.cancel()
            await asyncio.wait((sender,))

    async def _until_gone(self, socket: WebSocket, still_good: StillGood) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._recheck):
                    await self._disconnected(socket)
                    return
            if not await still_good():
                break
        log.debug("client %s is signed in no more", socket.client)
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(WS_1008_POLICY_VIOLATION, "signed in no more")
        return

    async def _disconnected(self, socket: WebSocket) -> None:
        while (heard := await socket.receive())["type"] == "websocket.receive":
            pass
        if heard["code"] == WS_1008_POLICY_VIOLATION:
            self.dropped += 1
            log.debug("client %s let go: %s", socket.client, heard["reason"])

    async def _tell(self) -> None:
        """Work while anybody looks on."""
        thread = anyio.CapacityLimiter(1)  # of its own: slow calls of the API must not hold this up
        pause = _INTERVAL_SECONDS
        while self._clients:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            told = await self._make(thread)
            if told is not None:
                self._hand_out(told)
            pause = max(_INTERVAL_SECONDS, _SHARE * (time.monotonic() - begun))
        self._news.take()

    async def _make(self, thread: anyio.CapacityLimiter) -> Told | None:
        """Make what is to be told now; None when that failed: the clients keep what they have meanwhile."""
        fresh = any(client.ready and not client.current for client in self._clients)
        try:
            told = await run_sync(self._messages.make, self._news.take(), fresh, limiter=thread)
        except BookhopperError as error:
            self._complain(str(error))
        except Exception as error:  # one that is of our own making must not end it for all
            if not self._complaint:
                log.exception("a fault of bookhopper's own; please report it")
            self._complaint = str(error) or type(error).__name__
        else:
            self._complain("")
            return told
        for client in self._clients:
            client.current = False  # what was noted is lost: a snapshot makes up for it
        return None

    def _hand_out(self, told: Told) -> None:
        for client in self._clients:
            message = told.change if client.current else told.snapshot
            if message is None:
                continue
            client.current = client.ready
            if client.ready:
                client.give(message)

    def _complain(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            log.warning("the live page stands still: %s; trying again", complaint)
        elif self._complaint and not complaint:
            log.info("the live page goes on")
        self._complaint = complaint
