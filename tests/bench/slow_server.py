"""A file server that takes its time to the first byte, and none after it: `slow_server FOLDER PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

FIRST_BYTE_SECONDS = 0.05


async def serve(folder: Path, port: int) -> None:
    """Serve until the process ends; files are kept in memory, so that the disk is not what is measured."""
    files = {f"/{path.name}".encode(): path.read_bytes() for path in folder.iterdir()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                body = files[request.split(b" ", 2)[1]]
                await asyncio.sleep(FIRST_BYTE_SECONDS)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
