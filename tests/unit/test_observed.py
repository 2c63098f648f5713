"""What is told of calls to a source: of those that were broken off, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bookhopper.model import Candidate
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.observed import ObservedSource, SourceCall
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
