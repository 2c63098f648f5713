"""The one place where what goes wrong on the wire becomes one of the daemon's errors."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NoReturn

import requests
import urllib3.exceptions as wire

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.net.addresses import host_and_port, is_named, origin, safe_url
from bookhopper.net.hosts import Hosts
from bookhopper.net.resolver import UnknownNameError
from bookhopper.net.retry_after import retry_after
from bookhopper.net.sign_in import digest_challenge
from bookhopper.ticket import Ticket

_TLS_SECONDS = 15 * 60.0
_TOO_MANY = 429
_UNAVAILABLE = 503
_REFUSALS = {
    400: "the server did not understand the request (400)",
    403: "the server forbids it (403)",
    404: "not there (404)",
    407: "the proxy asks for a sign-in (407): put user:password@ into its address",
    410: "gone for good (410)",
    451: "withheld for legal reasons (451)",
}
_CERTIFICATE_REMEDIES = {
    9: "check this machine's clock",
    10: "check this machine's clock; if it is right, the server's certificate has to be renewed",
    18: "add it to what this machine trusts, and name that file in REQUESTS_CA_BUNDLE",
    19: "add its CA to what this machine trusts, and name that file in REQUESTS_CA_BUNDLE",
    20: "add its CA to what this machine trusts, and name that file in REQUESTS_CA_BUNDLE",
    62: "use the name that stands in the certificate",
    64: "use the name that stands in the certificate",
}
"""What to do, by OpenSSL's X509_V_ERR codes."""


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


def refuse_status(
    response: requests.Response, url: str, hosts: Hosts, source: str, own: Collection[str] = ()
) -> NoReturn:
    """Raise what it means that a URL was answered by no success; `source` names who signed in, if anybody.

    `own` are the origins that the source names: only for those a solver is of any use.

    429 holds the whole host for as long as it asks, 503 with a Retry-After too, unless the host serves other
    files or says so of this one again: then only that is left alone for that time.  A 5xx is a TransientError
    while the host serves other files, else a HeldError; everything else is an AnswerError: permanent.
    """
    status = response.status_code
    wanted = retry_after(response.headers.get("Retry-After"), time.time())
    if status == _TOO_MANY:
        raise _pause(url, wanted, status, hosts)
    if status == _UNAVAILABLE and wanted is not None:
        raise _pause_or_spare(url, wanted, status, hosts)
    if status >= 500:
        raise _server_fault(url, f"the server failed ({status})", hosts)
    hosts.succeeded(url)
    shown = safe_url(url)
    if status == 401:
        raise AnswerError(f"{shown}: {_sign_in_remedy(response, source)}", status)
    if response.headers.get("cf-mitigated") == "challenge":
        raise AnswerError(
            f"{shown}: it wants to see a browser ({status}): {_solver_remedy(url, own)}", status
        )
    raise AnswerError(f"{shown}: {_REFUSALS.get(status, f'the server answered {status}')}", status)


def _pause_or_spare(url: str, wanted: float, status: int, hosts: Hosts) -> BookhopperError:
    """Leave the host alone, or just this URL: where others are served, or it would hold them for ever."""
    trouble, serves = hosts.troubled(url), hosts.served_lately(url)
    if not trouble.again and (trouble.elsewhere or not serves):
        return _pause(url, wanted, status, hosts)
    hosts.spare(url, wanted)
    message = f"{safe_url(url)}: not now ({status}), it says: again in {wanted:.0f} s"
    if serves and not trouble.elsewhere:
        return TransientError(message)
    return HeldError(message, scope="job", seconds=wanted)


def _pause(url: str, wanted: float | None, status: int, hosts: Hosts) -> HeldError:
    reason = f"it asks for a pause ({status})"
    seconds = hosts.hold(url, wanted, reason)
    message = f"{host_and_port(url)} is left alone for {seconds:.0f} s: {reason}"
    return HeldError(message, scope="host", seconds=seconds)


def _sign_in_remedy(response: requests.Response, source: str) -> str:
    offered = response.headers.get("WWW-Authenticate", "").lower()
    if not source:
        return "it asks for a sign-in (401): set username and password_file of its source"
    if offered and "basic" not in offered and not digest_challenge(offered):
        kind = offered.split()[0]
        return f"it takes only {kind} sign-in (401): let it take Basic, or Digest by MD5, for source {source}"
    if "Authorization" not in response.request.headers:
        return f"it asks for a sign-in at another address (401): name that one as the url of source {source}"
    return f"sign-in refused (401): check username and password_file of source {source}"


def _solver_remedy(url: str, own: Collection[str]) -> str:
    if own and not is_named(url, own):
        named = ", ".join(sorted(own))
        return (
            f"no solver is asked there, for its source names only {named}: "
            f"name {origin(url)} there, too, if it is the same site's"
        )
    return "if you may use it, name a `solver`"


def _fault(error: Exception, url: str, hosts: Hosts) -> BookhopperError:
    shown = safe_url(url)
    if isinstance(error, requests.exceptions.SSLError | wire.SSLError):
        seconds = max(_TLS_SECONDS, hosts.failed(url))
        return HeldError(f"{shown}: no trusted connection: {_tls_word(error)}", scope="host", seconds=seconds)
    if _is_about_connecting(error):
        seconds = hosts.failed(url)
        return HeldError(f"{shown}: {_connection_word(error)}", scope="host", seconds=seconds)
    if isinstance(_inner(error), wire.InvalidHeader):  # such as two lengths that contradict each other
        return TransientError(f"{shown}: the answer's head makes no sense")
    if isinstance(error, ValueError | wire.LocationValueError):  # requests' InvalidURL and its kin
        return PermanentError(f"{shown} is no address that can be fetched")
    if isinstance(error, requests.ReadTimeout | wire.ReadTimeoutError) or "timed out" in str(error):
        return _server_fault(url, "the answer stalled", hosts)
    if isinstance(error, requests.exceptions.ContentDecodingError | wire.DecodeError):
        return TransientError(f"{shown}: the answer's compression is broken")
    return TransientError(f"{shown}: the connection broke off")


def _server_fault(url: str, what: str, hosts: Hosts) -> BookhopperError:
    """Blame the file while its host serves others, else the host, which costs no attempt.

    Others have to wait only once so many different files failed that the host must be down.
    """
    message = f"{safe_url(url)}: {what}"
    trouble = hosts.troubled(url)
    if not trouble.elsewhere:
        return TransientError(message)
    return HeldError(message, scope="host" if trouble.down else "job", seconds=trouble.seconds)


def _tls_word(error: Exception) -> str:
    """Say what is wrong with a certificate, or with the TLS before it, and what to do."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            remedy = _CERTIFICATE_REMEDIES.get(
                cause.verify_code, "check this machine's CA certificates, and the server's"
            )
            return f"{cause.verify_message}: {remedy}"
        if isinstance(cause, ssl.SSLError) and cause.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
            return "no TLS is spoken there: write http:// if that is meant, or check the port"
    return "the two sides do not agree on TLS: check the server's settings, and the CA certificates here"


def _is_about_connecting(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    return isinstance(error, requests.ConnectionError) and isinstance(_inner(error), wire.MaxRetryError)


def _connection_word(error: Exception) -> str:
    inner = _inner(error)
    reason = inner.reason if isinstance(inner, wire.MaxRetryError) else inner
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy_word(error, reason)
    if isinstance(reason, wire.NameResolutionError):
        named = [cause for cause in _causes(reason) if isinstance(cause, UnknownNameError)]
        return str(named[0]) if named else "the name cannot be resolved: check this machine's DNS"
    if isinstance(reason, wire.ConnectTimeoutError) and not isinstance(reason, wire.NewConnectionError):
        return "no connection in time: check that the server runs and the network reaches it"
    return "the connection was refused: check that the server runs and the port is right"


def _proxy_word(error: Exception, reason: object) -> str:
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return f"no trusted connection to the proxy: {_tls_word(error)}"
    said = str(reason.original_error) if isinstance(reason, wire.ProxyError) else ""
    if re.search(r"\b407\b", said) or "authentication" in said.lower():
        return "the proxy refuses the sign-in: check user:password@ in its address"
    if "Tunnel connection failed" in said:
        return f"the proxy does not get there ({said.partition(': ')[2][:40]}): check the address"
    return "the proxy cannot be reached: check `proxy` of the source, or http_proxy and https_proxy"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what led to it, however requests and urllib3 have wrapped that."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, *cause.args, getattr(cause, "reason", None)]


def _inner(error: Exception) -> object:
    return error.args[0] if error.args else None
