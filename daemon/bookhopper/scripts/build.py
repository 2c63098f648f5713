"""What the settings say of scripts, made ready to be run."""

from __future__ import annotations

from bookhopper.scripts.script import Script, Stage
from bookhopper.settings import Settings

_PATIENCE_SECONDS = 2.0


def script_of(stage: Stage, settings: Settings) -> Script | None:
    """Give the script of a stage, where there is one; it ends well within the grace time of a stop."""
    command = settings.script.after_verify if stage == "after_verify" else settings.script.after_delivery
    patience = min(_PATIENCE_SECONDS, settings.grace / 8)
    return Script(stage, command, settings.script.timeout, patience) if command else None
