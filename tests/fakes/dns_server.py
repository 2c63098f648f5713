"""A DNS server on loopback, by UDP and over HTTPS's wire format, whose answers a test may change."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_JOIN_SECONDS = 10.0


@dataclass
class Zone:
    """What names stand for: for each look-up the next of the answers, the last one for good.

    `asked` has the names as they came, once for each record type; `silent` lets every question go unanswered.
    """

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    ttl: int = 0
    asked: list[str] = field(default_factory=list)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    silent: bool = False
    address: tuple[str, int] = ("", 0)

    @property
    def server(self) -> str:
        """The address as the `dns` of a source names it."""
        return "{}:{}".format(*self.address)

    def answer(self, wire: bytes) -> bytes:
        """Answer a question; a new look-up begins with the question for IPv6."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        turns = self.names.get(name)
        if turns is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif self.rcode != dns.rcode.NOERROR:
            reply.set_rcode(self.rcode)
        else:
            now = turns[0]
            if question.rdtype == dns.rdatatype.A and len(turns) > 1:
                turns.pop(0)
            kind = "AAAA" if question.rdtype == dns.rdatatype.AAAA else "A"
            found = [address for address in now if (":" in address) == (kind == "AAAA")]
            if found:
                reply.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *found))
        return reply.to_wire()


@contextmanager
def answering_names(zone: Zone) -> Iterator[Zone]:
    """Answer questions about the zone on a free UDP port of 127.0.0.1 for the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        zone.address = server.getsockname()

        def serve() -> None:
            while True:
                wire, client = server.recvfrom(65535)
                if not wire:
                    return
                if not zone.silent:
                    server.sendto(zone.answer(wire), client)

        thread = threading.Thread(target=serve, name="dns-server", daemon=True)
        thread.start()
        try:
            yield zone
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
                bell.sendto(b"", zone.address)
            thread.join(_JOIN_SECONDS)
