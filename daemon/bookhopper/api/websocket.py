"""The WebSocket protocol of the HTTP server, with bounds on what a client leaves unread and on what it sends.

uvicorn's own never gives up a connection whose client reads nothing: what is left to write keeps it open for
ever, after it was closed too.  Here the time to read is bounded, whatever the connection is doing.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from starlette.status import WS_1008_POLICY_VIOLATION
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

PATIENCE_SECONDS = 10.0
"""A client that has read nothing for so long although there is more for it is let go."""

ALLOWANCE = 128 * 1024
"""Bytes that a client may send in a minute, its handshake counted; pings and broken frames count, too."""

_MINUTE = 60.0
_SEND_BUFFER = 64 * 1024  # of the system; its own would take megabytes for a client that reads nothing
_LAST_SECONDS = 0.5  # to read the farewell when the server stops


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Lets go of a client that does not read, or that sends more than anybody has reason to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection; from now on each unread byte is noticed."""
        super().connection_made(transport)
        self._patience: asyncio.TimerHandle | None = None
        self._minute_began = self.loop.time()
        self._received = 0
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=0)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._end_patience()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a client that has not read all."""
        super().pause_writing()
        if self._patience is None:
            self._be_patient(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on: the client has read all."""
        super().resume_writing()
        self._end_patience()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message and return when nothing of it waits in the process any more."""
        await super().send(message)
        await self.writable.wait()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, within its allowance."""
        now = self.loop.time()
        if now - self._minute_began > _MINUTE:
            self._minute_began, self._received = now, 0
        self._received += len(data)
        if self._received > ALLOWANCE:
            self._let_go("it sends too much")
        else:
            super().data_received(data)

    def shutdown(self) -> None:
        """Say farewell because the server stops, and wait only a moment for it to be read."""
        super().shutdown()
        self.loop.call_later(_LAST_SECONDS, self.transport.abort)

    def _let_go(self, reason: str) -> None:
        """Break the connection off; a farewell would wait behind what the client does not read."""
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": WS_1008_POLICY_VIOLATION, "reason": reason},
        )
        self.transport.abort()

    def _be_patient(self, unread: int) -> None:
        self._patience = self.loop.call_later(PATIENCE_SECONDS, self._look_whether_it_reads, unread)

    def _look_whether_it_reads(self, unread: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < unread:
            self._be_patient(left)
        else:
            self._let_go("it does not read what it is sent")

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
