"""What is told of calls to a source: of those that were broken off, too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from bookhopper.errors import BusyError, HeldError, NotReadyError, PermanentError, TransientError
from bookhopper.model import Candidate, Collection, Reading
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.observed import ObservedIdentifier, ObservedSource, SourceCall
from bookhopper.ticket import Interrupted, Reason, Ticket


class Slow(FolderSource):
    """A folder that takes until it is given up."""

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002 - never answers
        ticket.wait(60)
        return ()


@pytest.mark.parametrize(
    ("reason", "told"),
    [(Reason.CANCEL, ["unavailable"]), (Reason.SHUTDOWN, []), (Reason.PREEMPT, []), (Reason.PAUSE, [])],
)
def test_a_call_that_was_given_up_found_its_source_away(
    tmp_path: Path, reason: Reason, told: list[str]
) -> None:
    calls: list[SourceCall] = []
    source = ObservedSource(Slow("shelf", tmp_path), calls.append)
    ticket = Ticket(1)
    ticket.interrupt(reason)
    with pytest.raises(Interrupted) as interrupted:
        source.search(Query(), ticket)
    assert interrupted.value.reason is reason
    assert [call.outcome for call in calls] == told
    source.close()


@pytest.mark.parametrize(("kind", "expected"), [(HeldError, False), (NotReadyError, True)])
def test_a_source_that_is_being_made_ready_is_nobody_s_trouble(
    tmp_path: Path, kind: type[HeldError], expected: bool
) -> None:
    class Indexing(FolderSource):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002 - not yet
            raise kind("still being indexed")

    calls: list[SourceCall] = []
    source = ObservedSource(Indexing("shelf", tmp_path), calls.append)
    with pytest.raises(kind):
        source.search(Query(), Ticket(1))
    assert [(call.outcome, call.expected) for call in calls] == [("unavailable", expected)]
    source.close()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(Reading("Emma"), "found"), (None, "nothing"), (HeldError("down"), "unavailable")],
)
def test_who_knows_isbns_is_observed_too(answer: Reading | HeldError | None, outcome: str) -> None:
    class Directory:
        name = "directory"

        def identify(self, isbn: str, ticket: Ticket) -> Reading | None:  # noqa: ARG002 - it knows one book
            if isinstance(answer, HeldError):
                raise answer
            return answer

        def aliases(self, reading: Reading, ticket: Ticket) -> Sequence[str]:
            found = self.identify(reading.title, ticket)
            return [found.title] if found else []

    calls: list[SourceCall] = []
    directory = ObservedIdentifier(Directory(), calls.append)
    with suppress(HeldError):
        assert directory.identify("x", Ticket(1)) is answer
    with suppress(HeldError):
        assert list(directory.aliases(Reading("Emma"), Ticket(1))) == ([answer.title] if answer else [])  # type: ignore[union-attr]
    assert [(call.source, call.operation, call.outcome) for call in calls] == [
        ("directory", operation, outcome) for operation in ("identify", "aliases")
    ]


def test_a_call_for_which_others_of_ours_left_no_turn_says_nothing_of_the_source(tmp_path: Path) -> None:
    class Crowded(FolderSource):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            raise BusyError("it is busy with others of ours")

    calls: list[SourceCall] = []
    source = ObservedSource(Crowded("shelf", tmp_path), calls.append)
    with pytest.raises(BusyError):
        source.search(Query(), Ticket(1))
    assert calls == []
    source.close()


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        ("feed", PermanentError("404"), ("nothing", "404")),
        ("feed", TransientError("a web page"), ("nothing", "a web page")),
        ("feed", HeldError("down"), ("unavailable", "down")),
        ("author", PermanentError("no such name"), ("nothing", "no such name")),
        ("author", TransientError("no JSON"), ("invalid", "no JSON")),
    ],
)
def test_a_collection_that_is_not_there_is_no_fault_of_its_source(
    tmp_path: Path, kind: Literal["author", "feed"], error: Exception, told: tuple[str, str]
) -> None:
    class Lister(FolderSource):
        def holds(self, collection: Collection) -> bool:  # noqa: ARG002
            return True

        def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            raise error

    calls: list[SourceCall] = []
    source = ObservedSource(Lister("shelf", tmp_path), calls.append)
    with pytest.raises(type(error)):
        source.works(Collection(kind, "Ann Author"), 5, Ticket(1))
    assert [(call.outcome, call.reason) for call in calls] == [told]
    source.close()
