"""The service manager's socket."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from bookhopper.observe.sdnotify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_lines_are_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@bookhopper-test-{secrets.token_hex(8)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1", "STATUS=watching ä")
        assert manager.recv(4096).decode() == "READY=1\nSTATUS=watching ä"


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "vsock:2:1234"])
def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not notify("READY=1")


def test_without_a_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
