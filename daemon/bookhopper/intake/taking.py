"""One settled file: taken away, read, stored, filed, so that a crash at any point loses and doubles nothing.

The file is renamed to a private name first; a file that then arrives under the old name is another one.  The
private name carries a token that the store keeps with the request, so taking a leftover again adds nothing.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from bookhopper.errors import BookhopperError, HeldError
from bookhopper.intake import base, names
from bookhopper.intake.base import Limits, UnreadableRequestError
from bookhopper.intake.folder import RequestFolder, Signature
from bookhopper.intake.parse import is_request, parse, suffixes, too_large
from bookhopper.log_context import working_on
from bookhopper.model import BadLine, LeftOut
from bookhopper.search.normalise import identity
from bookhopper.store.base import Entry, Intake, NewRequest, Store, Wish

_log = logging.getLogger("bookhopper.intake")

_AGAIN_SECONDS = 30.0
_SOON_SECONDS = 5.0
_PASSING = frozenset((errno.EBUSY, errno.ESTALE, errno.EAGAIN, errno.EINTR, errno.ENOENT))
"""What network file systems answer while another machine holds a file, or while one of our folders moves."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class NewList:
    """The bytes of a list with the name that its file has; `token` is unique to this taking of it.

    `kind` is a suffix such as `.csv` that tells how it is read, where the name does not; `sift` gives each
    entry as it is to be stored, or None where it is to be passed over.
    """

    token: str
    name: str
    data: bytes
    owner: str = ""
    only_owner: str | None = None
    kind: str = ""
    sift: Callable[[base.Entry], base.Entry | None] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """How a request file ended: stored (`intake` says what it held) or refused (then it is None)."""

    name: str
    intake: Intake | None


@dataclass(frozen=True, slots=True)
class Again:
    """The file is to be tried again under this name; `seconds` None: when it has settled anew."""

    name: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """The file lies under this name in accepted/; `read` is its state when it was read."""

    name: str
    read: Signature


class Taker:
    """Takes files; used by one thread.

    `stored` is called when a request is in the store and its file not yet filed away, and again after a
    crash in between; `told` hears how each file ended.  Neither may raise.
    """

    def __init__(
        self,
        folder: RequestFolder,
        store: Store,
        *,
        limits: Limits | None = None,
        stored: Callable[[Intake], None] = lambda _: None,
        told: Callable[[Taken], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._store = store
        self.limits = limits or Limits()
        self._stored = stored
        self._told = told
        self._said: set[str] = set()
        self._answered: set[str] = set()

    def take(self, name: str) -> Again | Filed | None:
        """Take a settled file, or a leftover by its private name; None: there is nothing to do.

        Never raises: what cannot be done now is to be tried again, and is said once.
        """
        with working_on(request=_shown(name)):
            return self._take(name)

    def _take(self, name: str) -> Again | Filed | None:
        at = name
        try:
            if names.from_private(name) is None:
                if not self._may_be_taken(name):
                    return None
                private = names.private_name(name)
                self._folder.rename(name, private)
                at = private
            return self._take_private(at)
        except HeldError as fault:
            return self._later(at, str(fault), fault.seconds, said=str(fault))
        except BookhopperError as fault:
            return self._later(at, str(fault), _AGAIN_SECONDS, said=str(fault))
        except OSError as fault:
            if isinstance(fault, FileNotFoundError) and not self._lies_there(at):
                return None  # somebody took it away, or the folder, which others look after
            seconds = _SOON_SECONDS if fault.errno in _PASSING else _AGAIN_SECONDS
            return self._later(at, _reason(fault), seconds)
        except MemoryError:
            return self._later(at, "memory is short", _AGAIN_SECONDS, said="memory is short")
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not end the intake of all others
            _log.exception("%s: a fault in bookhopper", _shown(at))
            return self._later(at, f"a fault in bookhopper: {fault}", _AGAIN_SECONDS)

    def _lies_there(self, name: str) -> bool:
        """Tell whether a file is there still: what was not found may be accepted/, just renamed away."""
        try:
            return self._folder.look(name) is not None
        except OSError as fault:
            return not isinstance(fault, FileNotFoundError)

    def _later(self, at: str, reason: str, seconds: float, *, said: str = "") -> Again:
        """Say why a file waits: once a file, or once (`said`) when the reason concerns them all."""
        key = said or f"{at}: {reason}"
        if key not in self._said:
            self._said.add(key)
            _log.warning("%s waits: %s", _shown(at), reason)
        return Again(at, seconds)

    def _may_be_taken(self, name: str) -> bool:
        """Tell whether this is a list that can be read; if it is not, answer why."""
        signature = self._folder.look(name)
        if signature is None:
            return False
        if stat.S_ISLNK(signature.mode):
            reason = "a symbolic link is not followed; drop the file itself, not a link to it"
            self._refuse(name, name, reason)
            return False
        if not signature.is_file:
            if is_request(name):
                kind = _KINDS.get(stat.S_IFMT(signature.mode), "no file")
                self._answer(name, f"this is {kind}, not a file; drop a text file")
            return False
        if not is_request(name):
            self._refuse(name, name, f"no list by its name; the names of lists end in {suffixes()}")
            return False
        try:
            self._folder.check_readable(name)
        except PermissionError:
            self._answer(name, "bookhopper may not read this file; give its user the right to (chmod a+r)")
            return False
        if name in self._answered:
            self._answered.discard(name)
            self._folder.remove(names.REJECTED, names.fitting(name) + names.ERROR_SUFFIX)
        return True

    def _take_private(self, private: str) -> Again | Filed | None:
        token, name = names.from_private(private) or ("", private)
        found = self._folder.look(private)  # it may have been put there since the file was looked at
        if found is not None and not found.is_file:
            self._refuse(private, name, "not a regular file; drop a text file")
            return None
        self._folder.sync(private)
        data, before, after = self._folder.read(private, self.limits.size)
        if not before.is_file:
            return Again(private, _SOON_SECONDS)
        if max(before.size, after.size) > self.limits.size:
            self._refuse(private, name, f"line 1, column 1: {too_large(before.size, self.limits)}")
            return None
        if before.content != after.content or len(data) != after.size:
            return self._changed(private)
        try:
            intake = store_request(self._folder, self._store, self.limits, NewList(token, name, data))
        except UnreadableRequestError as fault:
            self._refuse(private, name, str(fault))
            return None
        self._said.clear()
        self._stored(intake)
        now = self._folder.look(private)
        if now is not None and now.content != before.content:
            renewed = names.private_name(name)  # another token: what is new in it is to be added
            self._folder.rename(private, renewed)
            return self._changed(renewed)
        filed = self._folder.file_away(private, names.ACCEPTED, name)
        self._told(taken(intake))
        return Filed(filed, before)

    def _changed(self, private: str) -> Again:
        _log.debug("%s changed while it was read; waiting for it to settle", _shown(private))
        return Again(private)

    def _refuse(self, at: str, name: str, reason: str) -> None:
        """Move a file that cannot be taken into rejected/, the reason beside it."""
        shown = _shown(name)
        answer = self._folder.reserve(
            names.REJECTED, name, names.ERROR_SUFFIX, _answer_text(shown, reason), beside=True
        )
        self._folder.file_away(at, names.REJECTED, answer.removesuffix(names.ERROR_SUFFIX))
        _log.warning("%s refused: %s", shown, reason)
        self._told(Taken(shown, None))

    def _answer(self, name: str, reason: str) -> None:
        """Say why something is not taken that has to stay where it is."""
        shown = _shown(name)
        text = _answer_text(shown, reason).splitlines()
        self._folder.write(names.REJECTED, names.fitting(name) + names.ERROR_SUFFIX, text)
        self._answered.add(name)
        _log.warning("%s not taken: %s", shown, reason)
        self._told(Taken(shown, None))


def store_request(folder: RequestFolder, store: Store, limits: Limits, new: NewList) -> Intake:
    """Read a list and store it, with a name reserved for its report; a known token adds nothing.

    Raises UnreadableRequestError, HeldError while the store cannot take it, and OSError where the report
    cannot be made; nothing is left then.
    """
    shown = _shown(new.name)
    left_out: list[LeftOut] = []
    parsed = parse(f"list{new.kind}" if new.kind else new.name, new.data, limits, left_out.append)
    if new.sift is not None:
        parsed = filter(None, map(new.sift, parsed))
    entries = chain(_with_identities(parsed), left_out)  # which is known once all was read
    notice = f"{shown}: bookhopper is reading this list ({new.token})\n"
    report = folder.reserve(names.REPORTS, shown.replace("/", "_"), names.REPORT_SUFFIX, notice)
    digest = hashlib.sha256(new.data).hexdigest()
    try:
        request = NewRequest(new.token, shown, digest, report, new.owner, new.only_owner)
        intake = store.add_request(request, entries)
    except BookhopperError:
        folder.remove(names.REPORTS, report)
        raise
    if intake.request.report != report:  # stored by an earlier try, whose report has another name
        folder.remove(names.REPORTS, report)
    return intake


def taken(intake: Intake) -> Taken:
    """Say in the log what was taken, and give what those are told who count."""
    name = intake.request.name
    with working_on(request=name):
        _log.info("%s taken: %d new, %d known, %d bad", name, intake.new, intake.known, intake.bad)
    return Taken(name, intake)


def _with_identities(entries: Iterator[base.Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry if isinstance(entry, BadLine) else Wish(entry, identity(entry))


def _shown(name: str) -> str:
    private = names.from_private(name)
    return names.display(private.name if private else name)


def _reason(fault: OSError) -> str:
    """Say what the system refused, and about which file when that is another than the list itself."""
    about = f" ({names.display(fault.filename)})" if isinstance(fault.filename, str) else ""
    return f"{fault.strerror or fault}{about}"


def _answer_text(name: str, reason: str) -> str:
    return (
        f"{name} was not taken.\n\n  {reason}\n\nCorrect it, then drop it into the requests folder again.\n"
    )
