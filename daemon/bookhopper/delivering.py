"""The parts by which finished downloads go into ingest: the folder, who places books, copies, nudges."""

from __future__ import annotations

import logging

from bookhopper.after_delivery import AfterDelivery
from bookhopper.chores import Placing, read_identity
from bookhopper.core import Core
from bookhopper.delivery.copies import Copies
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.nudge import Nudges
from bookhopper.errors import HeldError
from bookhopper.observe.metrics import Metrics
from bookhopper.prepare import Hooks
from bookhopper.scripts.build import script_of
from bookhopper.scripts.scratch import Scratch
from bookhopper.settings import DownloadSettings, Settings
from bookhopper.units import counted

log = logging.getLogger("bookhopper")

_COPIES = "copies"
_SCRATCH = "scratch"
_DEBTS = "scripts-owed"
_INGEST = "ingest-folder"  # this machine's, and so in its state folder and not in the store


class Delivering:
    """Built around the core."""

    def __init__(self, core: Core) -> None:
        settings = core.settings
        identity = settings.folders.state / _INGEST
        self._ingest = IngestFolder(
            settings.folders.ingest,
            mode=settings.deliver.permissions,
            require_mount=settings.deliver.require_mount,
            expected=read_identity(identity),
        )
        self.copies = Copies(
            settings.folders.state / _COPIES,
            settings.deliver.keep_copies,
            keep_free=_kept_free(settings.download),
        )
        self.deliverer = Deliverer(core.store, self._ingest, core.parts_folder, self.copies, settings.naming)
        self.placing = Placing(self.deliverer, self._ingest, identity, core.power)
        self.nudges = Nudges(core.store, self._ingest, settings.deliver.nudge_after)
        self.scratch = Scratch(settings.folders.state / _SCRATCH)
        self.after = AfterDelivery(
            core.store,
            self.copies,
            self.scratch,
            ingest=settings.folders.ingest,
            debts=settings.folders.state / _DEBTS,
        )
        self.after.use(script_of("after_delivery", settings))

    def hooks(self, metrics: Metrics) -> Hooks:
        """Give what preparing books needs of the daemon; all that scripts come to is counted."""
        self.after.ran = metrics.script_ran
        return Hooks(self.scratch, metrics.script_ran, metrics.metadata_filled, self.after.owe)

    def heed(self, settings: Settings) -> None:
        """Heed other settings from now on."""
        self.copies.keep_free = _kept_free(settings.download)
        self.deliverer.name_by(settings.naming)
        self.after.use(script_of("after_delivery", settings))

    def start(self) -> None:
        """Look whether books can be placed now; it is said where they will have to wait."""
        try:
            self._ingest.ready()
        except HeldError as error:
            log.warning("books will wait: %s", error)

    def take_up(self) -> None:
        """Go on with what the last run left between placing and its end; raises BookhopperError, OSError."""
        self.scratch.clear()
        if cleared := self.deliverer.clear_strays():
            log.info("%s of the last run removed, to be fetched again", counted(cleared, "half-placed book"))
        if finished := self.placing.finish():
            log.info("%s of the last run taken up", counted(finished, "placed book"))
        self.after.take_up()


def _kept_free(download: DownloadSettings) -> int:
    """Tell how many bytes copies leave free, so that they never keep a download waiting."""
    return download.keep_free + download.max_size
