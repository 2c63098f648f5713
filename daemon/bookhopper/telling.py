"""The parts by which people are told what happens, built around the core."""

from __future__ import annotations

from collections.abc import Callable

from bookhopper.core import Core
from bookhopper.notify.digest import Sight
from bookhopper.notify.notifications import Notifications
from bookhopper.observe.collector import Sources
from bookhopper.observe.metrics import Metrics
from bookhopper.reload import Configuration

_FOLDER = "notify"


def notifications(
    core: Core, configuration: Configuration, metrics: Metrics, answers: Callable[[], Sources]
) -> Notifications:
    """Build them; `answers` tells which sources answer."""
    folders = core.settings.folders
    sight = Sight(
        store=core.store,
        available=lambda: answers().available,
        folders={"ingest": folders.ingest, "state": folders.state},
        keep_free=lambda: configuration.settings.download.keep_free,
        page=core.settings.server.url,
    )
    return Notifications(folders.state / _FOLDER, sight, metrics)
