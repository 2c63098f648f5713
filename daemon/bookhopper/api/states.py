"""The sets of states that the API tells apart, each under one name."""

from __future__ import annotations

from bookhopper.model import State

WAITING = frozenset((State.WANTED, State.SEARCHING, State.QUEUED))
"""What is still to be downloaded: the queue, with what is being searched for."""

RUNNING = frozenset((State.DOWNLOADING, State.PLACED))
ASIDE = frozenset((State.AMBIGUOUS, State.MISSING, State.FAILED))
"""What asks for a person, or for another time."""

COMPLETED = frozenset((State.DONE, State.OWNED, State.DUPLICATE))
ENDED = COMPLETED | {State.FAILED, State.CANCELLED}
"""What the history holds."""
