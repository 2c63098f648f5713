"""What the live page costs the server: processor time a message, and memory, with 200 clients looking on.

The peer is the same server asked by as many clients that poll `GET /api/downloads` as often as they would get
a message.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import AsyncExitStack
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from tests.bench.memory import resident
from tests.queues import candidate, want
from tests.site import running_site
from tests.waiting import until

CLIENTS = 200
RUNNING = 3
WAITING = 1_000
ROUNDS = 30
_KIB = 1024
_MIB = 1024 * _KIB
_TICKS = os.sysconf("SC_CLK_TCK")


def run(data: Path) -> int | None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.live", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            port = int(server.stdout.readline())
            asyncio.run(_look_on(server.pid, port))
            before = _seconds(server.pid)
            _poll(port)
            print(f"as many polls: {(_seconds(server.pid) - before) * 1000:.1f} ms for each round")
            server.stdin.close()
    return None


async def _look_on(server: int, port: int) -> None:
    alone = await _one_by_one(server, port, 1)
    memory = resident(server)
    together = await _one_by_one(server, port, CLIENTS)
    print(f"a message of {RUNNING} running jobs: {alone * 1000:.1f} ms to 1 client")
    print(f"to {CLIENTS} clients: {together * 1000:.1f} ms of processor time")
    print(
        f"memory: {(resident(server) - memory) / CLIENTS / _KIB:.0f} KiB a client, of {memory / _MIB:.0f} MiB"
    )


async def _one_by_one(server: int, port: int, number: int) -> float:
    """Give the seconds of processor time that the server takes for one message to so many clients."""
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(_client(port)) for _ in range(number)]
        await asyncio.gather(*(client.recv() for client in clients))  # their pictures
        before = _seconds(server)
        await asyncio.gather(*(_hear(client) for client in clients))
        return (_seconds(server) - before) / ROUNDS


def _client(port: int) -> connect:
    return connect(f"ws://127.0.0.1:{port}/api/events", max_size=None, compression=None)


async def _hear(client: ClientConnection) -> None:
    for _ in range(ROUNDS):
        await client.recv()


def _poll(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(CLIENTS):
        connection.request("GET", "/api/downloads")
        connection.getresponse().read()
    connection.close()


def _seconds(process: int) -> float:
    """Give the processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _serve(folder: Path) -> None:
    """Be the server, with some jobs running whose progress never rests, until the input ends."""
    over = threading.Event()
    with running_site(folder) as site:
        for number in range(RUNNING):
            site.queue.queued(want(f"Runs {number}"), candidate(str(number)))
        site.queue.add(*(want(f"Waits {number}") for number in range(WAITING)))
        site.fetchers.start()
        until(lambda: len(site.fetchers.tickets()) == RUNNING)

        def move_on() -> None:
            while not over.wait(0.1):
                for ticket in site.fetchers.tickets().values():
                    ticket.progress(ticket.received + 1000, 1 << 40)

        moving = threading.Thread(target=move_on)
        moving.start()
        print(site.port, flush=True)
        sys.stdin.read()
        over.set()
        moving.join()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _serve(Path(sys.argv[1]))
    else:
        sys.exit(run(Path()))
