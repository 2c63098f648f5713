"""ZIP archives from strangers: opened within bounds, every member's checksum compared, their XML parsed."""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from lxml import etree

from bookhopper.hostile_xml import XmlError, parse_xml
from bookhopper.verify.base import PIECE, RefusedError, hostile_offsets, quoted

MEMBERS_MAX = 20_000
UNPACKED_MAX = 4 << 30
RATIO_MAX = 200
RATIO_FLOOR = 64 << 20
"""A book that unpacks to less than the floor may be as repetitive as it likes."""

_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
)
"""What zipfile raises for bytes that do not hold together (ValueError: also an offset before the file)."""

_HEAD = 16


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened ZIP whose directory has passed the bounds.

    `members` maps names to entries, folders left out; `folded` maps names without case to the real ones.
    """

    zip: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    folded: dict[str, str]

    def find(self, name: str) -> zipfile.ZipInfo | None:
        """Find a member by its name, or by one that differs in case, slashes or Unicode form only."""
        return self.members.get(name) or self.members.get(self.folded.get(_fold(name), ""))

    def read(self, member: zipfile.ZipInfo, limit: int) -> bytes:
        """Read a member whole and compare its checksum.

        Raises RefusedError: it is damaged, or larger than `limit` bytes.
        """
        if member.file_size > limit:
            raise RefusedError(
                "structure", f"{quoted(member.filename)} is {member.file_size >> 20} MiB large"
            )
        try:
            with self.zip.open(member) as stream:
                return stream.read()
        except (*_DAMAGE, OSError) as error:
            raise _damaged(member, error) from error

    def test(self, members: Iterable[zipfile.ZipInfo]) -> dict[str, bytes]:
        """Read members in pieces, compare their checksums, and give each one's first bytes.

        Raises RefusedError: one of them is damaged.
        """
        heads: dict[str, bytes] = {}
        for member in members:
            try:
                with self.zip.open(member) as stream:
                    piece = stream.read(PIECE)
                    heads[member.filename] = piece[:_HEAD]
                    # zipfile compares the checksum when it meets the end, not before.
                    while piece:
                        piece = stream.read(PIECE)
            except (*_DAMAGE, OSError) as error:
                raise _damaged(member, error) from error
        return heads


def open_archive(file: BinaryIO, size: int) -> Archive:
    """Read a ZIP's directory and hold it to the bounds; bytes before or behind the ZIP do no harm.

    Raises RefusedError: cut short, locked by a password, a bomb, or with names that leave its folder.
    """
    try:
        with hostile_offsets("a ZIP archive with a damaged directory"):
            archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise RefusedError("container", "a ZIP archive that is cut short or damaged") from error
    infos = archive.infolist()
    if len(infos) > MEMBERS_MAX:
        raise RefusedError("structure", f"a ZIP archive of {len(infos)} files, more than any book has")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > UNPACKED_MAX or unpacked > max(RATIO_FLOOR, RATIO_MAX * size):
        raise RefusedError("structure", f"a ZIP bomb: {size} bytes that unpack to {unpacked}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if not info.filename.endswith("/"):
            _admit(info, members.get(info.filename))
            members[info.filename] = info
    return Archive(archive, members, {_fold(name): name for name in members})


def holds_archive(file: BinaryIO) -> bool:
    """Tell whether a ZIP archive ends the file, whatever stands before it."""
    try:
        with hostile_offsets(""), zipfile.ZipFile(file):
            return True
    except (*_DAMAGE, RefusedError):
        return False


def parse_member(document: bytes, name: str, max_bytes: int) -> etree._Element:
    """Parse a small document from inside a book, as forgivingly as readers do.

    Raises RefusedError: it is too large, has too much markup, or no root element.
    """
    try:
        return parse_xml(document, max_bytes=max_bytes)
    except XmlError as error:
        raise RefusedError("structure", f"{name} is unreadable: {error}") from error


def _admit(info: zipfile.ZipInfo, same_name: zipfile.ZipInfo | None) -> None:
    name = info.filename
    if info.flag_bits & _ENCRYPTED:
        raise RefusedError("protection", f"a ZIP archive locked with a password ({quoted(name)})")
    if info.compress_type not in _METHODS:
        raise RefusedError("structure", f"{quoted(name)} is compressed in a way that readers cannot undo")
    path = name.replace("\\", "/")
    if path.startswith("/") or ".." in path.split("/") or path[1:3] == ":/":
        raise RefusedError("structure", f"a name in it leaves its folder: {quoted(name)}")
    if same_name is not None and (same_name.CRC, same_name.file_size) != (info.CRC, info.file_size):
        raise RefusedError("structure", f"it holds two different files of one name: {quoted(name)}")


def _fold(name: str) -> str:
    """Bring a member's name to the form in which careless references still meet."""
    name = name.replace("\\", "/").removeprefix("./")
    return unicodedata.normalize("NFC", name).casefold()


def _damaged(member: zipfile.ZipInfo, error: Exception) -> RefusedError:
    with hostile_offsets(f"{quoted(member.filename)} in it is damaged"):
        if isinstance(error, OSError):
            raise error
    return RefusedError("checksum", f"{quoted(member.filename)} in it is damaged")
