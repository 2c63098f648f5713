"""Folders for a moment, below the state folder, where a book is worked on before or after its delivery."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bookhopper.errors import HeldError
from bookhopper.scripts.ending import end_leftovers


class Scratch:
    """Gives each piece of work a folder of its own; one for all who work."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is made when it is needed."""
        self._folder = folder

    @contextmanager
    def folder(self, job: int) -> Iterator[Path]:
        """Make a folder for the block; raises HeldError when none can be made."""
        try:
            self._folder.mkdir(exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f"{job}-", dir=self._folder))
        except OSError as error:
            raise self.cannot_write(error) from error
        try:
            yield made
        finally:
            with suppress(OSError):
                _remove(made)

    def cannot_write(self, error: OSError) -> HeldError:
        """Make the error that holds the queue while there is no working here."""
        return cannot_write(self._folder, error)

    def clear(self) -> None:
        """Remove what a crash has left, and end the programs that still work there."""
        with suppress(OSError):
            left = list(self._folder.iterdir())
            end_leftovers(left)
            for each in left:
                _remove(each)


def _remove(folder: Path) -> None:
    """Remove a folder as far as that can be done, with what a program has locked in it."""
    if folder.is_symlink():
        folder.unlink()
        return
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.is_dir():
        return
    with suppress(OSError):
        folder.chmod(stat.S_IRWXU)
    for outer, inner, _ in os.walk(folder):
        for path in (Path(outer, name) for name in inner):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def cannot_write(folder: Path, error: OSError) -> HeldError:
    """Make the error that holds the queue while a folder of ours cannot be used."""
    return HeldError(
        f"{folder} cannot be written: {error.strerror or error}: make room or mend its rights", scope="queue"
    )
