"""The server's socket: on every address, and the address by which this machine reaches it."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from bookhopper.api import address, listener
from bookhopper.errors import BookhopperError


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_the_address_that_is_left_works(host: str, reached: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 here")
    with closing(listener.bind(host, 0)) as bound:
        port = bound.getsockname()[1]
        assert listener.url_of(bound) == f"http://{reached}:{port}"
        with socket.create_connection((reached.strip("[]"), port), 20):
            pass


def test_every_address_is_one_of_ipv4_too() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    with closing(listener.bind("::", 0)) as bound:
        port = bound.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 20):
            pass
    with closing(listener.bind("::1", 0)) as bound, pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", bound.getsockname()[1]), 20)


def test_an_address_of_another_machine_says_so() -> None:
    with pytest.raises(
        BookhopperError, match=r"^cannot listen on 192\.0\.2\.1:80: .*: change server\.listen"
    ):
        listener.bind("192.0.2.1", 80)


def test_a_machine_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", none)
    with pytest.raises(BookhopperError, match=r"^cannot listen on ::1:80: Address family not supported"):
        listener.bind("::1", 80)


def test_tokens_are_long() -> None:
    assert len({address.new_token() for _ in range(100)}) == 100
    assert len(address.new_token()) >= 43
