"""The ingest folder as a place: whether it is there and still the same, and how files appear in it.

A book is placed as `<name>.uploading`, which consumers ignore, and becomes visible by one rename that never
replaces; see `reference/calibre-ingest.md` for why nothing else will do.  A name may lie in sub-folders, as
`Kids/A Tale.epub`; they are made when they are needed, and no link is ever followed into one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bookhopper.beneath import NO_FOLDER, above, files, inside
from bookhopper.delivery.naming import STAGED_SUFFIX, numbered
from bookhopper.durable import UNSUPPORTED, sync_folder
from bookhopper.errors import HeldError
from bookhopper.mounts import Mount, birth_mark, mount_of

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_AWAY_SECONDS = 15.0
_LEAST_FREE = 1024 * 1024
_MAKINGS = 20
"""How often a sub-folder is made, whose consumer removes it as long as it is empty."""

_libc = ctypes.CDLL(None, use_errno=True)
_looking = threading.Lock()
"""Held from the look whether a name is free to its taking: no two of our own threads find it free."""


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename inside one filesystem; raises FileExistsError when the target is there (renameat2(2))."""
    try:
        _rename(source, target, _RENAME_NOREPLACE)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    else:
        return
    with _looking:  # the filesystem cannot promise it, so look first
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)


def _rename(source: Path, target: Path, flags: int) -> None:
    failed = _libc.renameat2(
        _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)
    )
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


class IngestFolder:
    """One ingest folder; `expected` is the identity it had when it was last ready (empty: never yet)."""

    def __init__(self, path: Path, *, mode: int, require_mount: bool, expected: str = "") -> None:
        self.path = path
        self._mode = mode & ~_umask()
        self._require_mount = require_mount
        self.expected = expected
        self._seen: tuple[int, int] | None = None

    def identity(self) -> str:
        """Name the folder and the mount it lies on, in a form that stays the same across restarts."""
        return f"{self.path} on {mount_of(self.path)}"

    def ready(self) -> str:
        """Return the folder's identity; raises HeldError while it is away or another than it was."""
        try:
            status = self.path.stat()
        except OSError:
            status = None
        if status is None or not stat.S_ISDIR(status.st_mode):
            raise _away(f"the ingest folder {self.path} is not there: create it, or mount it again")
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise _away(
                f"the ingest folder {self.path} cannot be written to: give bookhopper's user the right"
            )
        if shutil.disk_usage(self.path).free < _LEAST_FREE:
            raise _away(f"the disk of the ingest folder {self.path} is full: make room")
        seen = (status.st_dev, status.st_ino)
        if seen != self._seen:  # the mount table is long, and the same folder lies on the same mount
            self._recognise()
            self._seen = seen
        return self.expected

    def itself(self) -> str:
        """Name this very folder; raises HeldError.  What was made anew at its path has its identity only."""
        identity = self.ready()
        try:
            return birth_mark(self.path) or f"{identity}, inode {self.path.stat().st_ino}"
        except OSError as error:
            raise _away(f"the ingest folder {self.path} cannot be looked at: {error.strerror}") from error

    def _recognise(self) -> None:
        """Take the folder as it lies there now for ours, unless its mount is gone."""
        found = self.identity()
        if self.expected and found != self.expected and self._lost_its_mount():
            raise _away(
                f"the ingest folder is another than it was (now {found}, before {self.expected}): "
                "mount it again, or set deliver.require_mount: false if this is meant"
            )
        self.expected = found

    def _lost_its_mount(self) -> bool:
        """Whether the folder lay on a mount of its own that is gone; a move to a new mount is taken."""
        now: Mount = mount_of(self.path)
        was_mounted = not self.expected.endswith(" on /")
        return self._require_mount and was_mounted and not self.expected.endswith(f" on {now.point}")

    # sub-folders

    @contextmanager
    def _at(self, name: str) -> Iterator[Path]:
        """Give a path by which a name can be used; raises HeldError where its folder is none, and OSError."""
        folder, slash, last = name.rpartition("/")
        try:
            with inside(self.path, folder or slash) as place:
                yield place / last
        except OSError as error:
            if not folder or error.errno not in NO_FOLDER:
                raise
            raise _away(
                f"{self.path / folder} is not a folder any more, but a file or a link: remove that"
            ) from error

    def place_for(self, name: str) -> str:
        """Give the name with other folders (`Kids_1`) where a file or a link has the name of one."""
        folders: list[str] = []
        *wanted, file = name.split("/")
        for part in wanted:
            free = (each for each in numbered(part) if self._can_hold("/".join((*folders, each))))
            folders.append(next(free, part))
        return "/".join((*folders, file))

    def _can_hold(self, folder: str) -> bool:
        try:
            with inside(self.path, folder):
                return True
        except OSError as error:
            return error.errno not in NO_FOLDER

    def removable(self, name: str) -> list[str]:
        """List the folders that a name is to lie in, but those that somebody keeps there empty."""
        return [folder for folder in above(name) if not self._is_empty(folder)]

    def _is_empty(self, folder: str) -> bool:
        try:
            with inside(self.path, folder) as path, os.scandir(path) as entries:
                return next(entries, None) is None
        except OSError:
            return False

    def _make_folders(self, name: str) -> None:
        """Make the folders that a name is to lie in, with the ingest folder's own mode.

        So whoever may take books from there may take them from here as well.
        """
        for folder in above(name):
            with self._at(folder) as path:
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                with inside(self.path, folder) as made, suppress(PermissionError):
                    made.chmod(stat.S_IMODE(self.path.stat().st_mode))

    def prune(self, folders: Iterable[str]) -> None:
        """Remove those of these folders that are empty."""
        for folder in sorted(folders, key=len, reverse=True):
            with suppress(OSError, HeldError), self._at(folder) as path:
                path.rmdir()

    # files

    def exists(self, name: str) -> bool:
        """Whether anything has this name; raises HeldError where its folder is a link, and OSError."""
        try:
            with self._at(name) as path:
                return os.path.lexists(path)
        except FileNotFoundError:
            return False

    def stage(self, book: Path, name: str) -> str:
        """Place a complete file as `<name>.uploading`, durably; returns that name.

        By rename where the folders share a filesystem, else by copy, `book` then staying where it is.
        Raises FileExistsError when the name is taken.
        """
        staged = name + STAGED_SUFFIX
        with book.open("rb") as file:
            os.fchmod(file.fileno(), self._mode)
            os.fsync(file.fileno())
        for more in reversed(range(_MAKINGS)):
            try:
                self._make_folders(staged)
                with self._at(staged) as target:
                    self._put(book, target)
                    self._sync_or_remove(staged, target)
            except FileNotFoundError:  # its folder was empty, and removed again
                if not more:
                    raise
            else:
                break
        return staged

    def _put(self, book: Path, target: Path) -> None:
        try:
            rename_without_replacing(book, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(book, target)

    def _sync_or_remove(self, name: str, target: Path) -> None:
        """Make a new entry durable, with the folders that it lies in, which others may have made just now.

        What is not durable must not lie about under a name that nobody remembers.
        """
        try:
            for folder in ("", *above(name)):
                with inside(self.path, folder) as path:
                    sync_folder(path)
        except OSError:
            target.unlink()
            raise

    def _copy(self, book: Path, target: Path) -> None:
        with book.open("rb") as source, target.open("xb") as goal:
            try:
                shutil.copyfileobj(source, goal, 1024 * 1024)
                goal.flush()
                with suppress(PermissionError):  # shares without modes of their own refuse any
                    os.fchmod(goal.fileno(), self._mode)
                os.fsync(goal.fileno())
            except BaseException:
                target.unlink()
                raise

    def reveal(self, staged: str, name: str) -> None:
        """Give a staged file its final name, durably; raises FileExistsError when that is taken."""
        with self._at(staged) as waiting:
            rename_without_replacing(waiting, waiting.with_name(_last(name)))
            sync_folder(waiting.parent)

    def restage(self, staged: str, name: str) -> str:
        """Let a staged file wait under another name; raises FileExistsError when that is taken."""
        other = name + STAGED_SUFFIX
        with self._at(staged) as waiting:
            target = waiting.with_name(_last(other))
            rename_without_replacing(waiting, target)
            self._sync_or_remove(other, target)
        return other

    def lying(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Give the files that a consumer may see, each with its name."""
        return ((name, entry) for name, entry in files(self.path) if not name.endswith(STAGED_SUFFIX))

    def renew(self, name: str) -> bool:
        """Put an equal file in the place of a delivered one, in one step; False: that one has changed.

        Raises FileNotFoundError when it is gone, before or meanwhile, and OSError (UNSUPPORTED) where the
        filesystem cannot exchange two files.
        """
        staged = name + STAGED_SUFFIX
        self.discard(staged)  # of a try that was cut short, for a delivered book has no other
        try:
            with self._at(name) as there:
                return self._exchange(there, there.with_name(_last(staged)))
        finally:
            self.prune(
                above(name)
            )  # whoever has eaten the book meanwhile could not, for the other one's sake

    def _exchange(self, there: Path, other: Path) -> bool:
        before = _content(there)
        self._copy(there, other)
        try:
            if _content(there) != before:
                return False
            _rename(other, there, _RENAME_EXCHANGE)
        finally:
            other.unlink(missing_ok=True)
        sync_folder(there.parent)
        return True

    def discard(self, staged: str) -> None:
        """Remove a staged file; nothing else can be removed."""
        if not staged.endswith(STAGED_SUFFIX):
            return
        with suppress(FileNotFoundError), self._at(staged) as path:
            path.unlink()


def _last(name: str) -> str:
    """Give a name without the folders that it lies in."""
    return name.rpartition("/")[2]


def _content(path: Path) -> tuple[int, int, int]:
    """Tell what a write to a file, or another in its place, would change."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _away(message: str) -> HeldError:
    return HeldError(message, scope="queue", seconds=_AWAY_SECONDS)


def _umask() -> int:
    """Read the umask without the moment in which setting it would show to other threads."""
    with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
