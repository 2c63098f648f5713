"""What is kept for how long, and how much of it: the section `keep` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bookhopper.setting_types import Duration, Section, Size

DAY = 86400.0


class KeepSettings(Section):
    """Bounds by age and amount on what the daemon itself writes; 0 is no bound, but of `backups` none at all.

    Nothing goes that is still looked for, waits for a person, or makes sure that a book comes once.
    """

    parts: Duration = 30 * DAY
    parts_size: Size = 20 * 1024**3
    copies_size: Size = 0
    reports: Duration = 365 * DAY
    reports_number: Annotated[int, Field(ge=0)] = 10_000
    history: Duration = 0.0
    history_number: Annotated[int, Field(ge=0)] = 1_000_000
    backups: Annotated[int, Field(ge=0, le=100)] = 3
    backup_every: Annotated[Duration, Field(ge=3600)] = DAY
    old_databases: Duration = 90 * DAY
