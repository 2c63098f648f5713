"""Where wants come in that nobody dropped into the folder: a list or a single book, over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from bookhopper.errors import HeldError, StoreError
from bookhopper.intake import names
from bookhopper.intake.base import Entry, Limits, UnreadableRequestError
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.parse import is_request
from bookhopper.intake.taking import NewList, Taken, store_request, taken
from bookhopper.model import Job, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import Intake, NewRequest, Store, Wish

BY_HAND = "added by hand"
"""What the request of a single want is called; nobody reads a report of it, so it has none."""

_UNNAMED = "list"
_SUFFIX = ".txt"
_SEPARATORS = re.compile(r"[/\\]")


class Desk:
    """Takes lists and single wants; safe from any thread.

    `stored` and `told` hear of each request as they do of one that a file brought.  Neither may raise.
    """

    def __init__(
        self,
        folder: RequestFolder,
        store: Store,
        limits: Limits | None = None,
        *,
        stored: Callable[[Intake], None] = lambda _: None,
        told: Callable[[Taken], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._store = store
        self.limits = limits or Limits()
        self._stored = stored
        self._told = told

    def take(
        self,
        name: str,
        data: bytes,
        owner: str = "",
        only_owner: str | None = None,
        *,
        kind: str = "",
        sift: Callable[[Entry], Entry | None] | None = None,
    ) -> Intake:
        """Store a list, with a report like that of a dropped one; the list itself is not kept.

        With `only_owner` its lines may pick books for jobs of that owner alone.  `kind`, a suffix such as
        `.csv`, tells how it is read whatever its name; `sift` changes entries or leaves them out.
        Raises UnreadableRequestError, and HeldError while it cannot be stored.
        """
        shown = _plain_name(name) if kind else _list_name(name)
        new = NewList(_token(), shown, data, owner, only_owner, kind, sift)
        try:
            intake = store_request(self._folder, self._store, self.limits, new)
        except UnreadableRequestError:
            self._told(Taken(new.name, None))
            raise
        except OSError as error:
            raise HeldError(
                f"the requests folder cannot be written: {error.strerror}: make room or mend its rights"
            ) from error
        self._tell(intake)
        return intake

    def want(self, want: Want, owner: str = "") -> Job:
        """Store a single want, and give its job: the one that it had, where it is known already."""
        wish = Wish(want, identity(want))
        job = None if want.force else self._store.job_of(wish.identity)
        if job is None:
            self._tell(self._store.add_request(NewRequest(_token(), BY_HAND, "", "", owner), [wish]))
            job = self._store.job_of(wish.identity)
        if job is None:
            raise StoreError("the store has lost what it was just given")
        return job

    def _tell(self, intake: Intake) -> None:
        self._stored(intake)
        self._told(taken(intake))


def _token() -> str:
    return os.urandom(8).hex()


def _list_name(name: str) -> str:
    """Make any text the name of a list: its last path component, with a suffix by which it can be read."""
    plain = _plain_name(name)
    return plain if is_request(plain) else names.fitting(plain + _SUFFIX)


def _plain_name(name: str) -> str:
    last = _SEPARATORS.split(name.encode("utf-8", "replace").decode())[-1]
    return names.fitting(names.display(last).lstrip(". ") or _UNNAMED)
