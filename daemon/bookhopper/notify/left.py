"""What is left untold from one run to the next: a small file for each who is told."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bookhopper.notify.messages import Bundle

log = logging.getLogger("bookhopper.notify")


@dataclass(frozen=True, slots=True)
class Left:
    """A bundle that waits, and the slot (epoch seconds) of the last digest; None where none was due yet."""

    bundle: Bundle = field(default_factory=Bundle)
    slot: float | None = None

    def as_text(self) -> str:
        """Write it as it stands in its file."""
        return json.dumps({"bundle": self.bundle.as_json(), "digest": self.slot})


def read_left(path: Path) -> Left:
    """Read what was left; nothing where there is no file, or one that is of no use, which is said."""
    try:
        kept = json.loads(path.read_bytes())
        if not isinstance(kept, Mapping):
            raise ValueError("it is no mapping")  # noqa: TRY004, TRY301 - all that is wrong with it is one fault
        slot = kept.get("digest")
        usable = isinstance(slot, float) and math.isfinite(slot)
        return Left(Bundle.from_json(kept.get("bundle")), slot if usable else None)
    except FileNotFoundError:
        return Left()
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        log.warning("%s: what was not told yet cannot be read: %s", path, reason)
        return Left()
