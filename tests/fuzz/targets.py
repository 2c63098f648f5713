"""The table of targets."""

from __future__ import annotations

from tests.fuzz import catalogues, files, lists, server, wire
from tests.fuzz.target import Target

TARGETS: tuple[Target, ...] = (
    *lists.TARGETS,
    *catalogues.TARGETS,
    *files.TARGETS,
    *wire.TARGETS,
    *server.TARGETS,
)


def named(name: str) -> Target:
    """Give a target by its name, in which `-` and blanks are the same; raises KeyError."""
    return {target.name.replace(" ", "-"): target for target in TARGETS}[name.replace(" ", "-")]
