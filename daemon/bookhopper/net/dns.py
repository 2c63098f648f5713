"""DNS by the resolvers that a source names: over HTTPS (RFC 8484), or plain to a server's address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import requests

from bookhopper.errors import PermanentError
from bookhopper.net.resolver import Address, UnknownNameError

_TIMEOUT = 5.0
_KEPT = 1000
_MIN_SECONDS, _MAX_SECONDS = 5.0, 3600.0
_MAX_ANSWER = 65535
_TYPE = "application/dns-message"
_RECORDS = (dns.rdatatype.AAAA, dns.rdatatype.A)


@dataclass(frozen=True, slots=True)
class _Known:
    addresses: tuple[Address, ...]
    until: float


class _NoAnswerError(Exception):
    """A resolver that cannot be asked, or did not do what it should; others may."""


class NamedResolver:
    """Asks resolvers in turn until one answers, and remembers the answers for as long as they say.

    `servers` are URLs of DNS over HTTPS, whose own hosts this machine resolves, or (address, port).
    """

    def __init__(self, servers: Sequence[str | tuple[str, int]]) -> None:
        self._servers = tuple(servers)
        self._session = requests.Session()
        self._session.auth = _no_auth
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def addresses(self, host: str) -> Sequence[Address]:
        """Give a host's addresses, IPv6 first; raises UnknownNameError."""
        try:
            return [ip_address(host.partition("%")[0])]
        except ValueError:
            pass
        now = time.monotonic()
        with self._lock:
            known = self._known.get(host)
        if known is None or known.until <= now:
            known = self._asked(host, now)
            with self._lock:
                self._known[host] = known
                self._known.move_to_end(host)
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return known.addresses

    def close(self) -> None:
        """Close the connections to the resolvers."""
        self._session.close()

    def _asked(self, host: str, now: float) -> _Known:
        for server in self._servers:
            try:
                answers = [self._ask(server, host, kind) for kind in _RECORDS]
            except _NoAnswerError:
                continue
            found = [address for addresses, _ in answers for address in addresses]
            if not found:
                raise UnknownNameError(
                    f"the name {host} is not known to {_shown(server)}: check its spelling"
                )
            seconds = min(ttl for addresses, ttl in answers if addresses)
            return _Known(tuple(found), now + min(max(seconds, _MIN_SECONDS), _MAX_SECONDS))
        names = " nor ".join(map(_shown, self._servers))
        raise UnknownNameError(
            f"no answer about {host} from {names}: check the network and `dns` of the source"
        )

    def _ask(
        self, server: str | tuple[str, int], host: str, kind: dns.rdatatype.RdataType
    ) -> tuple[list[Address], float]:
        """Ask for one kind of address; gives what there is and for how many seconds it holds."""
        try:
            query = dns.message.make_query(host, kind)
        except (dns.exception.DNSException, UnicodeError) as error:
            raise PermanentError(f"{host} cannot be the name of a host: check its spelling") from error
        try:
            if isinstance(server, str):
                answer = self._over_https(server, query)
            else:
                answer, _ = dns.query.udp_with_fallback(query, server[0], _TIMEOUT, server[1])
            understood = answer.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
            if not understood or not isinstance(answer, dns.message.QueryMessage):
                raise _NoAnswerError
            chain = answer.resolve_chaining()
        except (dns.exception.DNSException, requests.RequestException, OSError, EOFError) as error:
            raise _NoAnswerError from error
        records = chain.answer or ()
        return [ip_address(record.address) for record in records], chain.minimum_ttl

    def _over_https(self, url: str, query: dns.message.Message) -> dns.message.Message:
        query.id = 0  # so that answers can be cached on the way (RFC 8484, 4.1)
        headers = {"Content-Type": _TYPE, "Accept": _TYPE}
        with self._session.post(
            url, query.to_wire(), headers=headers, timeout=_TIMEOUT, stream=True, allow_redirects=False
        ) as response:
            if response.status_code != 200 or response.headers.get("Content-Type", "") != _TYPE:
                raise _NoAnswerError
            wire, deadline = bytearray(), time.monotonic() + _TIMEOUT
            while piece := response.raw.read1(_MAX_ANSWER, decode_content=True):
                wire += piece
                if len(wire) > _MAX_ANSWER or time.monotonic() > deadline:
                    raise _NoAnswerError
        answer = dns.message.from_wire(bytes(wire))
        if not query.is_response(answer):
            raise _NoAnswerError
        return answer


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking into ~/.netrc."""
    return request


def _shown(server: str | tuple[str, int]) -> str:
    return (urlsplit(server).hostname or server) if isinstance(server, str) else server[0]
