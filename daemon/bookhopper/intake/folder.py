"""The requests folder as a place: every system call on it, none of which can leave it.

Each works relative to an open descriptor of the folder and follows no symbolic link, so that nothing that
somebody puts into the folder leads out of it, and nothing blocks (a FIFO is never opened for reading it).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bookhopper.intake import names

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILL_FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20


class Signature(NamedTuple):
    """What tells one state of a file from another; times are in nanoseconds."""

    mode: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def content(self) -> tuple[int, int]:
        """What a write would change: unlike `changed`, a rename leaves it alone."""
        return self.size, self.modified

    @property
    def written_last(self) -> bool:
        """Whether it was written to after it was last renamed, which leaves `modified` alone."""
        return self.modified == self.changed


class RequestFolder:
    """One requests folder with its `accepted`, `rejected` and `reports`; every call may raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._alone = threading.Lock()  # an empty file is somebody's for the moment until it is filled

    def identity(self) -> tuple[int, int] | None:
        """Tell which folder lies at the path now (device and inode); None when there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None

    def scan(self) -> dict[str, Signature]:
        """List what is not to be ignored, whatever kind of file it is."""
        found: dict[str, Signature] = {}
        with self._open() as folder, os.scandir(folder) as entries:
            for entry in entries:
                if not names.is_ignored(entry.name):
                    with suppress(FileNotFoundError):
                        found[entry.name] = _signature(entry.stat(follow_symlinks=False))
        return found

    def leftovers(self) -> list[str]:
        """List the private names of files that were taken and not filed."""
        with self._open() as folder, os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if names.from_private(entry.name))

    def look(self, name: str) -> Signature | None:
        """Tell the state of a file, of a link the link's own; None when it is gone."""
        with self._open() as folder:
            try:
                return _signature(os.stat(name, dir_fd=folder, follow_symlinks=False))
            except FileNotFoundError:
                return None

    def check_readable(self, name: str) -> None:
        """Raise PermissionError where the file may not be read."""
        with self._open() as folder:
            os.close(os.open(name, _READ_FLAGS, dir_fd=folder))

    def read(self, name: str, limit: int) -> tuple[bytes, Signature, Signature]:
        """Read at most `limit` + 1 bytes of a regular file; returns them with its states before and after."""
        with self._open() as folder:
            handle = os.open(name, _READ_FLAGS, dir_fd=folder)
        try:
            before = _signature(os.fstat(handle))
            parts: list[bytes] = []
            room = limit + 1 if before.is_file and before.size <= limit else 0
            while room > 0 and (part := os.read(handle, min(room, _CHUNK))):
                parts.append(part)
                room -= len(part)
            return b"".join(parts), before, _signature(os.fstat(handle))
        finally:
            os.close(handle)

    def rename(self, name: str, new: str) -> None:
        """Rename inside the folder; `new` must be a name that nobody else uses."""
        with self._open() as folder:
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=folder)

    def sync(self, name: str) -> None:
        """Put a file and the folder's entries on the disk: whoever dropped the file may not have."""
        with self._open() as folder:
            file = os.open(name, _READ_FLAGS, dir_fd=folder)
            try:
                _sync(file)
            finally:
                os.close(file)
            _sync(folder)

    def file_away(self, name: str, sub: str, wanted: str) -> str:
        """Move a file into a sub-folder under the first free variant of a name; returns that.

        A rename replaces, so the name is taken by an empty file of our own first.  One that is empty already
        counts as free: it is from a try that a crash cut short, and there is nothing in it to be lost.
        """
        with self._alone, self._open() as folder, self._open_sub(folder, sub) as inner:
            for variant in names.numbered(wanted):
                if not _reserved(inner, variant):
                    continue
                try:
                    _move(name, variant, folder, inner)
                except OSError:
                    with suppress(FileNotFoundError):
                        os.unlink(variant, dir_fd=inner)
                    raise
                return variant
        raise FileExistsError(f"{sub}/ holds ten thousand files named {names.display(wanted)}")

    def look_in(self, sub: str, wanted: Iterable[str]) -> dict[str, Signature]:
        """Tell the states of files in a sub-folder, of a link the link's own; what is gone is left out."""
        found: dict[str, Signature] = {}
        with self._open() as folder, suppress(FileNotFoundError), self._open_made(folder, sub) as inner:
            for name in wanted:
                with suppress(FileNotFoundError):
                    found[name] = _signature(os.stat(name, dir_fd=inner, follow_symlinks=False))
        return found

    def modified_since(self, sub: str, moment: float) -> dict[str, Signature]:
        """Tell the states of a sub-folder's files that were written to after a moment (epoch seconds)."""
        listed = self.listed(sub)
        return {name: found for name, found in listed.items() if found.modified > moment * 1e9}

    def listed(self, sub: str) -> dict[str, Signature]:
        """Tell the states of a sub-folder's files."""
        found: dict[str, Signature] = {}
        with self._open() as folder, suppress(FileNotFoundError), self._open_made(folder, sub) as inner:
            for entry in list(os.scandir(inner)):
                with suppress(FileNotFoundError):
                    signature = _signature(entry.stat(follow_symlinks=False))
                    if signature.is_file:
                        found[entry.name] = signature
        return found

    def digest(self, sub: str, name: str) -> str:
        """Give the sha256 of a file in a sub-folder."""
        with self._open() as folder, self._open_made(folder, sub) as inner:
            handle = os.open(name, _READ_FLAGS, dir_fd=inner)
        with os.fdopen(handle, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def take_back(self, sub: str, name: str, new: str) -> None:
        """Move a file out of a sub-folder; `new` must be a name that nobody else uses."""
        with self._open() as folder, self._open_made(folder, sub) as inner:
            os.rename(name, new, src_dir_fd=inner, dst_dir_fd=folder)

    def reserve(self, sub: str, wanted: str, suffix: str, content: str, *, beside: bool = False) -> str:
        """Make a new file with this content under the first free variant and suffix; returns its name.

        One that is empty or begins with the same content counts as free: it is from a try that a crash cut
        short.  With `beside` the variant without the suffix must be free as well, for a file that will lie
        beside it.
        """
        data = content.encode()
        with self._alone, self._open() as folder, self._open_sub(folder, sub) as inner:
            for variant in names.numbered(wanted):
                name = variant + suffix
                if beside and _is_there(inner, variant):
                    continue
                if _reserved(inner, name):
                    _fill(inner, name, data)
                    return name
                if _begins_with(inner, name, data):
                    return name
        raise FileExistsError(f"{sub}/ holds ten thousand files named {names.display(wanted)}")

    def write(self, sub: str, name: str, lines: Iterable[str]) -> None:
        """Write a text file so that a reader sees the old one or the new one, never half of it.

        When this returns, the new one is on the disk.
        """
        temporary = f".{names.fitting(name)}.tmp"
        with self._open() as folder, self._open_sub(folder, sub) as inner:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=inner)
            handle = os.open(temporary, _NEW_FLAGS, 0o666, dir_fd=inner)
            try:
                with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
                    file.writelines(f"{line}\n" for line in lines)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, name, src_dir_fd=inner, dst_dir_fd=inner)
                _sync(inner)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=inner)
                raise

    def remove(self, sub: str, name: str) -> None:
        """Delete a file of a sub-folder; one that is gone is no error."""
        with self._open() as folder, self._open_sub(folder, sub) as inner, suppress(FileNotFoundError):
            os.unlink(name, dir_fd=inner)

    @contextmanager
    def _open(self) -> Iterator[int]:
        handle = os.open(self.path, _FOLDER_FLAGS)
        try:
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _open_sub(self, folder: int, sub: str) -> Iterator[int]:
        with suppress(FileExistsError):
            os.mkdir(sub, 0o777, dir_fd=folder)
        with self._open_made(folder, sub) as inner:
            yield inner

    @contextmanager
    def _open_made(self, folder: int, sub: str) -> Iterator[int]:
        handle = os.open(sub, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
        try:
            yield handle
        finally:
            os.close(handle)


def _signature(found: os.stat_result) -> Signature:
    return Signature(found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _reserved(folder: int, name: str) -> bool:
    """Make an empty file unless there is one; False where the name is another file's."""
    try:
        os.close(os.open(name, _NEW_FLAGS, 0o666, dir_fd=folder))
    except FileExistsError:
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            return stat.S_ISREG(found.st_mode) and found.st_size == 0
        return False
    return True


def _move(name: str, reserved: str, folder: int, inner: int) -> None:
    """Move a file, or what is none, to the place of a reserved empty one."""
    try:
        os.rename(name, reserved, src_dir_fd=folder, dst_dir_fd=inner)
    except NotADirectoryError:  # a directory takes no file's place
        os.unlink(reserved, dir_fd=inner)
        os.rename(name, reserved, src_dir_fd=folder, dst_dir_fd=inner)


def _fill(folder: int, name: str, data: bytes) -> None:
    try:
        with os.fdopen(os.open(name, _FILL_FLAGS, dir_fd=folder), "wb") as file:
            file.write(data)
    except OSError:  # a full disk: the next try is to find the name free
        os.unlink(name, dir_fd=folder)
        raise


def _sync(handle: int) -> None:
    """Put a file, or a folder's entries, on the disk; some network file systems know no such thing."""
    try:
        os.fsync(handle)
    except OSError as fault:
        if fault.errno != errno.EINVAL:
            raise


def _begins_with(folder: int, name: str, data: bytes) -> bool:
    with suppress(OSError):
        handle = os.open(name, _READ_FLAGS, dir_fd=folder)
        try:
            return stat.S_ISREG(os.fstat(handle).st_mode) and os.read(handle, len(data)) == data
        finally:
            os.close(handle)
    return False
