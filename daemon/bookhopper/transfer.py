"""One GET of one mirror into a part file, going on where an earlier one broke off.

A part file goes on only where it provably is the same file: by the server's validator in `If-Range`, or by a
checksum that the source gave.  What cannot be proven starts from zero.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import requests

from bookhopper.errors import TransientError
from bookhopper.model import Candidate, Resume
from bookhopper.net.addresses import safe_url
from bookhopper.net.session import chunks
from bookhopper.part import ALGORITHMS, CHUNK, PartFile
from bookhopper.ticket import Ticket

_REMEMBER_FROM = 1024 * 1024
_SLOW_SECONDS = 60.0
_SLOW_BYTES_PER_SECOND = 256
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_UNSATISFIED_RANGE = re.compile(r"bytes \*/(\d{1,18})")
_PARTIAL, _UNSATISFIABLE = 206, 416


class Open(Protocol):
    """How a URL is opened for reading: `net.session.open_stream` with its fixed arguments filled in."""

    def __call__(
        self, url: str, source: str, ticket: Ticket, headers: Mapping[str, str], statuses: Collection[int]
    ) -> AbstractContextManager[requests.Response]:
        """Open a stream on behalf of a source."""
        ...


class Traffic:
    """What has come in so far, for the metrics: bytes by source, and how resumes went."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: Counter[str] = Counter()
        self._resumes: Counter[str] = Counter(continued=0, restarted=0)

    def add(self, source: str, received: int) -> None:
        """Count bytes from a source."""
        with self._lock:
            self._received[source] += received

    def add_resume(self, *, continued: bool) -> None:
        """Count a part file that went on, or had to begin again."""
        with self._lock:
            self._resumes["continued" if continued else "restarted"] += 1

    def received(self) -> Mapping[str, int]:
        """Give the bytes by source."""
        with self._lock:
            return dict(self._received)

    def resumes(self) -> Mapping[str, int]:
        """Give the number of resumes by outcome, `continued` or `restarted`."""
        with self._lock:
            return dict(self._resumes)


@dataclass(frozen=True, slots=True)
class Order:
    """What one fetch is about: the candidate, its job's ticket, and where to note how it could go on."""

    candidate: Candidate
    ticket: Ticket
    remember: Callable[[Resume], None]


class Transfer:
    """One mirror's answer on its way into the part file."""

    def __init__(self, open_url: Open, traffic: Traffic, order: Order, part: PartFile) -> None:
        self._open = open_url
        self._traffic = traffic
        self._candidate = order.candidate
        self._ticket = order.ticket
        self._remember = order.remember
        self._part = part
        self.open_ended = False
        """Whether nothing told where the answer ends but the end of its connection, which may come early."""

    def run(self, url: str, resume: Resume | None) -> bool:
        """Fetch the file; True when it went on from an earlier part."""
        headers = self._range(url, resume)
        known = resume if resume is not None and resume.url == url else None
        with self._get(url, headers) as response:
            if response.status_code != _UNSATISFIABLE:
                return self._receive(url, response, self._part.size, known)
            if "If-Range" in headers and _unsatisfied(response) == self._part.size:
                self._traffic.add_resume(continued=True)
                return True  # it is the same file, and the part was all of it
        self._traffic.add_resume(continued=False)
        self._part.empty()
        with self._get(url, {}) as response:
            if response.status_code == _UNSATISFIABLE:
                raise TransientError(f"{safe_url(url)}: the server refuses a range nobody asked for (416)")
            return self._receive(url, response, 0, None)

    def _get(self, url: str, headers: Mapping[str, str]) -> AbstractContextManager[requests.Response]:
        identity = {"Accept-Encoding": "identity"}
        return self._open(
            url, self._candidate.source, self._ticket, {**headers, **identity}, (_UNSATISFIABLE,)
        )

    def _range(self, url: str, resume: Resume | None) -> dict[str, str]:
        """Ask for the rest where the part is provably of the same file, else for the whole.

        The part stays until an answer has come: the mirror that it is from may be back before this one is.
        """
        if resume is None or resume.url not in self._candidate.urls:
            return {}
        same = resume.url == url and bool(resume.validator)
        if not (same or self._proven()) or not self._part.take_up():
            return {}
        headers = {"Range": f"bytes={self._part.size}-"}
        if same:
            headers["If-Range"] = resume.validator
        return headers

    def _proven(self) -> bool:
        """Whether a checksum will tell if the pieces fit together."""
        return bool(self._candidate.checksums.keys() & ALGORITHMS)

    def _receive(self, url: str, response: requests.Response, begun: int, resume: Resume | None) -> bool:
        resumed = response.status_code == _PARTIAL
        if resumed:
            total = self._whole_size(url, response, begun, resume)
        else:
            self._part.empty()
            total = _length(response)
        if begun:
            self._traffic.add_resume(continued=resumed)
        self.open_ended = total is None and "Transfer-Encoding" not in response.headers
        missing = 0 if total is None else total - self._part.size
        self._part.refuse_beyond_cap(missing)
        self._part.need(missing)
        self._note(url, response, total)
        self._stream(url, response, total)
        if total is not None and self._part.size != total:
            raise TransientError(f"{safe_url(url)}: {self._part.size:,} bytes came, {total:,} were promised")
        if self._part.size == 0:
            raise TransientError(f"{safe_url(url)}: an empty answer")
        return resumed

    def _whole_size(
        self, url: str, response: requests.Response, begun: int, resume: Resume | None
    ) -> int | None:
        """Make sure that a 206 is the rest of the same file, and tell that file's size.

        Otherwise the part is worth nothing: the next attempt asks for the whole file.
        """
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not begun or match is None or int(match[1]) != begun:
            self._forget()
            raise TransientError(f"{safe_url(url)}: the server sent another range than was asked for")
        size = None if match[3] == "*" else int(match[3])
        if resume is not None and _changed(response, size, resume):
            self._forget()
            raise TransientError(f"{safe_url(url)}: the file changed while it was fetched")
        if size is None and resume is not None:
            size = resume.size
        return size

    def _forget(self) -> None:
        self._ticket.resume = None
        self._part.empty()

    def _note(self, url: str, response: requests.Response, total: int | None) -> None:
        """Keep what a later attempt needs to go on; a small file is not worth a write to the store."""
        validator = _validator(response)
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        self._ticket.resume = None
        if (validator or self._proven()) and not encoded:
            self._ticket.resume = Resume(url, validator, total, self._part.size)
            if total is None or total >= _REMEMBER_FROM:
                self._remember(self._ticket.resume)

    def _stream(self, url: str, response: requests.Response, total: int | None) -> None:
        begun, started = self._part.size, time.monotonic()
        self._ticket.progress(begun, total)
        try:
            for data in chunks(response, CHUNK):
                self._ticket.check()
                self._part.write(data)
                self._ticket.progress(self._part.size, total)
                elapsed = time.monotonic() - started
                if elapsed > _SLOW_SECONDS and self._part.size - begun < elapsed * _SLOW_BYTES_PER_SECOND:
                    raise TransientError(
                        f"{safe_url(url)}: slower than {_SLOW_BYTES_PER_SECOND} bytes a second"
                    )
            self._ticket.check()  # an interruption ends the answer, which must not pass for its end
        finally:
            self._traffic.add(self._candidate.source, self._part.size - begun)


def _length(response: requests.Response) -> int | None:
    """Give the body's announced length, None when it says nothing about the decoded bytes."""
    text = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and not encoded else None


def _unsatisfied(response: requests.Response) -> int | None:
    """Give the file's size that a 416 tells."""
    match = _UNSATISFIED_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _changed(response: requests.Response, size: int | None, resume: Resume) -> bool:
    """Whether a 206 is of another file than the part: by size, or by a validator of the same kind."""
    if None not in {size, resume.size} and size != resume.size:
        return True
    validator = _validator(response)
    same_kind = validator.startswith('"') == resume.validator.startswith('"')
    return bool(validator and resume.validator) and same_kind and validator != resume.validator


def _validator(response: requests.Response) -> str:
    """Give what `If-Range` may carry (RFC 9110, 13.1.5): a strong ETag, else Last-Modified."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")
