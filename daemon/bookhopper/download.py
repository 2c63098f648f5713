"""One candidate's file into a part file: mirrors in turn, until one gives the whole of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Resume
from bookhopper.net.addresses import safe_url
from bookhopper.part import CHUNK, Limits, PartFile, disk_full
from bookhopper.transfer import Open, Order, Traffic, Transfer

_WORTH_GOING_ON = 64 * 1024
_BREATH_SECONDS = 1.0
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete part file and where it came from; `resumed` when it was not fetched in one go.

    `open_ended` when nothing but the end of the connection said that it is complete.
    """

    path: Path
    url: str
    sha256: str
    size: int
    resumed: bool
    open_ended: bool = False


class Downloader:
    """Fetches candidates into part files; one for all workers."""

    def __init__(
        self, open_url: Open, limits: Limits, roots: Mapping[str, Path], traffic: Traffic | None = None
    ) -> None:
        """Take how URLs are opened, the bounds, and the folders that a source's `file:` URLs may lie in.

        With `traffic` of another one, both count together.
        """
        self.traffic = traffic or Traffic()
        self._open = open_url
        self._limits = limits
        self._roots = {source: root.resolve() for source, root in roots.items()}

    def fetch(self, order: Order, part: Path, resume: Resume | None) -> Downloaded:
        """Download from the first mirror that gives the whole file.

        Raises TransientError when another attempt may help, HeldError when only the surroundings hinder, else
        PermanentError.
        """
        order.ticket.source = order.candidate.source
        faults: list[BookhopperError] = []
        held: set[str] = set()
        for url in _best_first(order.candidate.urls, resume):
            if (place := urlsplit(url).netloc) in held:
                continue  # a second-best file of a busy host is no substitute for the best a moment later
            try:
                return self._patiently(url, order, part, resume)
            except HeldError as error:
                if error.scope == "queue":
                    raise
                if error.scope == "host":
                    held.add(place)
                faults.append(error)
            except (TransientError, PermanentError) as error:
                faults.append(error)
            resume = order.ticket.resume
        raise _deciding(faults)

    def _patiently(self, url: str, order: Order, part: Path, resume: Resume | None) -> Downloaded:
        """Go on at the same mirror while it brings the file further; another one would begin from zero."""
        while True:
            begun = _size(part)
            try:
                return self._from(url, order, part, resume)
            except TransientError:
                resume = order.ticket.resume
                further = _size(part) - begun >= _WORTH_GOING_ON and resume is not None and resume.url == url
                if not further:
                    raise
                order.ticket.wait(_BREATH_SECONDS)
            finally:
                if not _size(part):
                    part.unlink(missing_ok=True)

    def _from(self, url: str, order: Order, path: Path, resume: Resume | None) -> Downloaded:
        try:
            with path.open("r+b" if path.exists() else "w+b") as file:
                part = PartFile(file, order.candidate.checksums, self._limits, order.ticket)
                transfer = Transfer(self._open, self.traffic, order, part)
                if url.startswith("file:"):
                    resumed = self._copy(url, order, part)
                else:
                    resumed = transfer.run(url, resume)
                try:
                    digest = part.finish()
                except TransientError as error:
                    order.ticket.resume = None
                    part.empty()
                    raise TransientError(f"{safe_url(url)}: {error}") from error
                return Downloaded(path, url, digest, part.size, resumed, transfer.open_ended)
        except OSError as error:
            if error.errno in _FULL:
                raise disk_full(self._limits.keep_free) from error
            raise HeldError(f"{path.parent}: {error.strerror or error}: mend it", scope="queue") from error

    def _copy(self, url: str, order: Order, part: PartFile) -> bool:
        """Read a file of a folder source; a link that leaves the folder is refused."""
        source = order.candidate.source
        path = Path(unquote(urlsplit(url).path))
        root = self._roots.get(source)
        if root is None or not path.resolve().is_relative_to(root):
            raise PermanentError(f"{path} does not lie in a folder that is configured as a source")
        with _opened(path, root) as file:
            total = os.fstat(file.fileno()).st_size
            part.empty()
            part.refuse_beyond_cap(total)
            part.need(total)
            for data in _pieces(file, path):
                order.ticket.check()
                part.write(data)
                order.ticket.progress(part.size, total)
        self.traffic.add(source, total)
        return False


def _opened(path: Path, root: Path) -> IO[bytes]:
    """Open a book of a folder source; one that is not there may be back with its share."""
    try:
        if not any(root.iterdir()):
            raise HeldError(f"{root} is empty: mount it again, or take it out of `sources:`", scope="host")
        if not path.is_file():
            raise PermanentError(f"{path} is not there, or no plain file")
        return path.open("rb")
    except PermissionError as error:
        raise PermanentError(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _pieces(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Read a file of a folder source, whose faults are not the part file's."""
    try:
        while data := file.read(CHUNK):
            yield data
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> HeldError:
    return HeldError(
        f"{path} cannot be read now: {error.strerror}: look after its disk or share", scope="host"
    )


def _best_first(urls: Collection[str], resume: Resume | None) -> list[str]:
    """Put the mirror that a part file came from before the others."""
    if resume is None or resume.url not in urls:
        return list(urls)
    return [resume.url, *(url for url in urls if url != resume.url)]


def _deciding(faults: Sequence[BookhopperError]) -> BookhopperError:
    """Choose the error of several mirrors that decides: what may pass, then the hold that ends soonest."""
    for fault in faults:
        if isinstance(fault, TransientError):
            return fault
    held = [fault for fault in faults if isinstance(fault, HeldError)]
    return min(held, key=lambda fault: fault.seconds) if held else PermanentError(_in_one_line(faults))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _in_one_line(faults: Sequence[BookhopperError]) -> str:
    """Say why no mirror gave the file: the first one's reason stands for the others."""
    if not faults:
        return "no address to fetch it from"
    others = f" (likewise {len(faults) - 1} more addresses)" if len(faults) > 1 else ""
    return f"{faults[0]}{others}"
