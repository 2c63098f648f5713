"""HTTPS on loopback with a throw-away CA, made by the openssl command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

_JOIN_SECONDS = 10.0

Answer = Callable[[str, bytes], tuple[str, bytes]]
"""From the path and body of a request to the content type and body of its answer."""


Certificate = tuple[Path, Path]
"""The files of a certificate and of its key."""


@dataclass(frozen=True)
class Authority:
    """A CA of one's own; `bundle` is the file that makes it trusted."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "ca.pem"

    def certificate(self, *names: str, days: int = 2) -> Certificate:
        """Issue a certificate for names such as `DNS:books.example` or `IP:127.0.0.1`; gives its key, too."""
        stem = self.folder / names[0].replace(":", "-")
        key, request, signed = (stem.with_suffix(ending) for ending in (".key", ".csr", ".crt"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("req", "-new", *_NEW_KEY, "-subj", "/CN=test", "-keyout", key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.bundle, "-CAkey", self.folder / "ca.key"),
            *("-days", days, "-extfile", extensions, "-CAcreateserial", "-out", signed),
        )
        return signed, key

    def self_signed(self, name: str) -> Certificate:
        """Make a certificate that no CA has anything to do with."""
        key, signed = self.folder / "self.key", self.folder / "self.crt"
        names = ("-addext", f"subjectAltName={name}", "-addext", "basicConstraints=CA:FALSE")
        _openssl(
            "req", "-x509", *_NEW_KEY, "-subj", "/CN=self", "-days", 2, *names, "-keyout", key, "-out", signed
        )
        return signed, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def new_authority(folder: Path) -> Authority:
    """Make a CA in a folder; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir()
    _openssl(
        *("req", "-x509", *_NEW_KEY, "-subj", "/CN=Test CA", "-days", "2"),
        *(
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            folder / "ca.key",
            "-out",
            folder / "ca.pem",
        ),
    )
    return Authority(folder)


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def serving_tls(certificate: Certificate, answer: Answer) -> Iterator[int]:
    """Answer HTTPS requests on a free port of 127.0.0.1 for the block; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind, content = answer(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - as http.server looks for it

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of clients that distrust the certificate."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, name="tls-server", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(_JOIN_SECONDS)
