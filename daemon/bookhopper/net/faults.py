"""The one place where what goes wrong on the wire becomes one of the daemon's errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3.exceptions as wire

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.net.addresses import host_and_port, safe_url
from bookhopper.net.hosts import Hosts, retry_after
from bookhopper.ticket import Ticket

_TLS_SECONDS = 15 * 60.0
_TOO_MANY = 429
_THROTTLED = frozenset({_TOO_MANY, 503})
_REFUSALS = {
    400: "the server did not understand the request (400)",
    403: "the server forbids it (403)",
    404: "not there (404)",
    410: "gone for good (410)",
    451: "withheld for legal reasons (451)",
}


class AnswerError(PermanentError):
    """The server answered, and `status` says that it will not give what was asked for."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def faults_named(url: str, hosts: Hosts, ticket: Ticket) -> Iterator[None]:
    """Turn the faults of requests and urllib3 inside the block into the daemon's, and tell `hosts`.

    A host that cannot be connected to (name, route, time, certificate) raises HeldError (scope `host`), an
    answer that breaks off or stalls TransientError, an address that cannot be one PermanentError.
    """
    try:
        yield
    except (requests.RequestException, wire.HTTPError) as error:
        ticket.check()  # an answer that was cut off on purpose is nobody's fault
        raise _fault(error, url, hosts) from error


def refuse_status(response: requests.Response, hosts: Hosts, source: str) -> None:
    """Raise what an answer's status means unless it is a success; `source` names who signed in, if anybody.

    429, and 503 with a Retry-After, hold the whole host for as long as it asks.  A 5xx is a TransientError
    while the host serves other files, else a HeldError; everything else is an AnswerError: permanent.
    """
    status, url = response.status_code, response.url
    if status in _THROTTLED:
        wanted = retry_after(response.headers.get("Retry-After"), time.time())
        if status == _TOO_MANY or wanted is not None:
            reason = f"it asks for a pause ({status})"
            seconds = hosts.hold(url, wanted, reason)
            message = f"{host_and_port(url)} is left alone for {seconds:.0f} s: {reason}"
            raise HeldError(message, scope="host", seconds=seconds)
    if status >= 500:
        raise _server_fault(url, f"the server failed ({status})", hosts)
    hosts.succeeded(url)
    if 200 <= status < 300:
        return
    shown = safe_url(url)
    if status == 401:
        raise AnswerError(f"{shown}: {_sign_in_remedy(response, source)}", status)
    raise AnswerError(f"{shown}: {_REFUSALS.get(status, f'the server answered {status}')}", status)


def _sign_in_remedy(response: requests.Response, source: str) -> str:
    offered = response.headers.get("WWW-Authenticate", "").lower()
    if not source:
        return "it asks for a sign-in (401): set username and password_file of its source"
    if "Authorization" not in response.request.headers:
        return f"it asks for a sign-in at another address (401): name that one as the url of source {source}"
    if offered and "basic" not in offered:
        kind = offered.split()[0]
        return f"it takes only {kind} sign-in (401): let it take Basic, for source {source}"
    return f"sign-in refused (401): check username and password_file of source {source}"


def _fault(error: Exception, url: str, hosts: Hosts) -> BookhopperError:
    shown = safe_url(url)
    if isinstance(error, requests.exceptions.SSLError | wire.SSLError):
        seconds = max(_TLS_SECONDS, hosts.failed(url))
        remedy = (
            "check this machine's clock and CA certificates (REQUESTS_CA_BUNDLE), or the server's certificate"
        )
        return HeldError(f"{shown}: no trusted connection: {remedy}", scope="host", seconds=seconds)
    if _is_about_connecting(error):
        seconds = hosts.failed(url)
        return HeldError(f"{shown}: {_connection_word(error)}", scope="host", seconds=seconds)
    if isinstance(error, ValueError | wire.LocationValueError):  # requests' InvalidURL and its kin
        return PermanentError(f"{shown} is no address that can be fetched")
    if isinstance(error, requests.ReadTimeout | wire.ReadTimeoutError) or "timed out" in str(error):
        return _server_fault(url, "the answer stalled", hosts)
    if isinstance(error, requests.exceptions.ContentDecodingError | wire.DecodeError):
        return TransientError(f"{shown}: the answer's compression is broken")
    return TransientError(f"{shown}: the connection broke off")


def _server_fault(url: str, what: str, hosts: Hosts) -> BookhopperError:
    """Blame the file while its host serves others, else the host, which costs no attempt."""
    message = f"{safe_url(url)}: {what}"
    if not hosts.troubled(url):
        return TransientError(message)
    return HeldError(message, scope="host", seconds=hosts.failed(url))


def _is_about_connecting(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    return isinstance(error, requests.ConnectionError) and isinstance(_inner(error), wire.MaxRetryError)


def _connection_word(error: Exception) -> str:
    inner = _inner(error)
    reason = inner.reason if isinstance(inner, wire.MaxRetryError) else inner
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached: check http_proxy and https_proxy"
    if isinstance(reason, wire.NameResolutionError):
        return "the name cannot be resolved: check its spelling and this machine's DNS"
    if isinstance(reason, wire.ConnectTimeoutError) and not isinstance(reason, wire.NewConnectionError):
        return "no connection in time: check that the server runs and the network reaches it"
    return "the connection was refused: check that the server runs and the port is right"


def _inner(error: Exception) -> object:
    return error.args[0] if error.args else None
