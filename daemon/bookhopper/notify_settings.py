"""Whom the daemon tells what happened, and what of it: the sections of `notify:`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from bookhopper.setting_types import Duration, Folder, Name, Section, Words, read_secret

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE | re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_MINUTES_A_DAY = 24 * 60


class Event(StrEnum):
    """What somebody may want to be told of; the value is what the settings call it."""

    LIST = "list"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    MISSED = "missed"
    DELIVERED = "delivered"
    DIGEST = "digest"


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    known = ", ".join(Event)
    if not names:
        raise ValueError(f"name at least one of {known}")
    for name in names:
        if name not in set(Event):
            raise ValueError(f"nothing is called `{name}` here: known are {known}")
    return names


def _clock(value: object) -> object:
    """Take 18:00 without quotes for what it is: to YAML 1.1 that is the number 18 * 60 + 0."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MINUTES_A_DAY:
        return f"{value // 60}:{value % 60:02}"
    return value


def _time_of_day(value: str) -> str:
    if not _TIME_OF_DAY.fullmatch(value):
        raise ValueError('write a time of day such as "08:00", in quotes')
    return value


def _address(url: str) -> str:
    """Give an address back; raises ValueError for what cannot be one, and never says what it is."""
    if not _ADDRESS.fullmatch(url):
        raise ValueError("write one address as apprise knows them, such as ntfy://ntfy.sh/a-topic")
    return url


def _secret_address(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value():
        _address(secret.get_secret_value())
    return secret


class NotifySettings(Section):
    """Somebody who is told of `events`: at an address that apprise knows, which is a secret.

    What happens within `every` seconds is one message; the digest comes at a time of the local day.
    """

    name: Name
    url: Annotated[SecretStr, AfterValidator(_secret_address)] = SecretStr("")
    url_file: Folder | None = None
    events: Annotated[Words, AfterValidator(_known)] = ("list", "ambiguous", "failed")
    every: Annotated[Duration, Field(le=86400)] = 300.0
    digest_at: Annotated[str, BeforeValidator(_clock), AfterValidator(_time_of_day)] = "08:00"

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url_file is not None and self.url.get_secret_value():
            raise ValueError("give url or url_file, not both")
        if self.url_file is None and not self.url.get_secret_value():
            raise ValueError("whom to tell is missing: give url or url_file")
        if "digest_at" in self.model_fields_set and Event.DIGEST not in self.events:
            raise ValueError("digest_at is heeded where `digest` is among the events")
        return self

    @property
    def digest_minute(self) -> int:
        """The minute of the local day at which the digest is due."""
        hour, _, minute = self.digest_at.partition(":")
        return int(hour) * 60 + int(minute)

    def address(self) -> str:
        """Read the address from where it is kept; raises OSError and ValueError."""
        if self.url_file is None:
            return self.url.get_secret_value()
        return _address(read_secret(self.url_file))
