"""What searches and fetches, made of the settings: built anew when those are read again.

A job goes on with the engine that it began with, and what that is made of is closed once the last such job is
through.  Engines whose sources are the same share them, with their sessions and catalogues.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bookhopper.acquire import Acquire, Verifications
from bookhopper.chores import Refreshing
from bookhopper.delivery.deliver import Deliverer
from bookhopper.download import Downloader
from bookhopper.model import Candidate, Job, Pick, Want
from bookhopper.observe.collector import Sources
from bookhopper.owned import CalibreLibrary
from bookhopper.part import Limits
from bookhopper.prepare import Hooks, Preparation
from bookhopper.scripts.build import script_of
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources import registry
from bookhopper.search.sources.observed import ObservedIdentifier, ObservedSource, SourceCall
from bookhopper.search.sources.registry import SourceSet
from bookhopper.searching import Search
from bookhopper.settings import Settings
from bookhopper.silence import Silence
from bookhopper.store.base import Move, Store
from bookhopper.ticket import Ticket
from bookhopper.transfer import Traffic

log = logging.getLogger("bookhopper")


class Watched:
    """The sources of one making, whether each answers, and what follows from that."""

    def __init__(
        self,
        sources: SourceSet,
        silence: Callable[[dict[str, bool]], Silence],
        told: Callable[[SourceCall], None],
    ) -> None:
        """Take the sources, how their silence is ended, and whom to tell of each call."""
        self.set = sources
        self.answers = Sources(
            {source.name: True for source in sources.sources}, {}, sources.waited, sources.held
        )
        self.silence = silence(self.answers.available)
        self.refreshing = Refreshing(sources.sources, self.silence)
        self._told = told
        self._lock = threading.Lock()
        self._users = 0

    def observed(self) -> list[ObservedSource]:
        """Give the sources with each call told."""
        return [ObservedSource(source, self._called) for source in self.set.sources]

    def identifiers(self) -> list[ObservedIdentifier]:
        """Give those that know ISBNs with each call told."""
        return [ObservedIdentifier(each, self._called) for each in self.set.identifiers]

    def take(self) -> None:
        """Count an engine that is made of them."""
        with self._lock:
            self._users += 1

    def let_go(self) -> None:
        """Count one less; the last one closes them."""
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            self.set.close()

    def _called(self, call: SourceCall) -> None:
        self._told(call)
        log.debug(
            "source %s: %s: %s in %.2f s, books: %d",
            call.source, call.operation, call.outcome, call.seconds, call.results,
        )  # fmt: skip
        answers = self.answers
        answered, before = call.outcome in {"found", "nothing"}, answers.available[call.source]
        answers.available[call.source] = answered
        if answered:
            answers.last_success[call.source] = time.time()
        if answered and not before:
            log.info("source %s answers again", call.source)
            self.silence.answered(call.source)
        elif before and not answered:
            what = "source %s cannot be asked; wants that it may have wait: %s"
            log.log(logging.INFO if call.expected else logging.WARNING, what, call.source, call.reason)


@dataclass(frozen=True, slots=True)
class Making:
    """What every engine is made with; `parts` is the folder of part files."""

    store: Store
    deliverer: Deliverer
    parts: Path
    traffic: Traffic
    verifications: Verifications
    hooks: Hooks


class Engine:
    """One making of what the settings say of searching and fetching."""

    def __init__(self, settings: Settings, watched: Watched, making: Making) -> None:
        """Build it; asks and opens nothing yet."""
        watched.take()
        self.watched = watched
        sources = watched.set
        deadlines = {each.name: each.deadline for each in settings.sources}
        self.resolver = Resolver(
            watched.observed(),
            accept=settings.match.accept,
            margin=settings.match.margin,
            languages=settings.languages,
            formats=settings.formats,
            deadlines=deadlines,
            identifiers=watched.identifiers(),
        )
        self._collector = Collector(
            watched.observed(),
            languages=settings.languages,
            formats=settings.formats,
            deadlines=deadlines,
        )
        library = _library(settings)
        self.search = Search(
            making.store,
            self.resolver,
            self._collector,
            library,
            collections=max(1, settings.match.searchers - 1),
        )
        download = settings.download
        opener = registry.Opener(sources, (download.connect_timeout, download.timeout))
        limits = Limits(download.max_size, download.keep_free)
        self.acquire = Acquire(
            making.store,
            Downloader(opener, limits, sources.roots, making.traffic),
            making.deliverer,
            parts=making.parts,
            formats=settings.formats,
            locators=sources.locators,
            library=library,
            preparation=_preparation(settings, making.hooks),
            verifications=making.verifications,
        )

    def close(self) -> None:
        """End what still asks, and let go of the sources."""
        self.resolver.close()
        self._collector.close()
        self.watched.let_go()


def watched_as(
    settings: Settings, state: Path, before: Watched | None, make: Callable[[SourceSet], Watched]
) -> Watched:
    """Give the sources of the settings: those of before, where nothing of them has changed.

    New ones share the hosts of before, so that nobody is asked harder for it.  Raises OSError and ConfigError
    as `registry.build` does.
    """
    if before is None:
        return make(registry.build(settings.sources, state))
    built = registry.build(settings.sources, state, hosts=before.set.hosts)
    if built.made_of == before.set.made_of:
        built.close()
        return before
    built.set_paces()
    return make(built)


def _library(settings: Settings) -> CalibreLibrary | None:
    if settings.calibre_library is None:
        return None
    return CalibreLibrary(
        settings.calibre_library,
        accept=settings.match.accept,
        margin=settings.match.margin,
        languages=settings.languages,
    )


def _preparation(settings: Settings, hooks: Hooks) -> Preparation:
    return Preparation(
        hooks,
        script_of("after_verify", settings),
        fill_metadata=settings.deliver.fill_metadata,
        max_size=settings.download.max_size,
    )


class Engines:
    """The engine of the moment, and those before it that jobs still go on with."""

    def __init__(self) -> None:
        """Begin without one; `exchange` gives the first."""
        self._lock = threading.Lock()
        self._newest: Engine | None = None
        self._users: dict[Engine, int] = {}
        self._closed = False

    @property
    def newest(self) -> Engine:
        """The one that is taken for what begins now; `use` keeps it open."""
        assert self._newest is not None, "nothing begins before there is an engine"
        return self._newest

    @contextmanager
    def use(self) -> Iterator[Engine]:
        """Keep the newest open for a block."""
        with self._lock:
            engine = self.newest
            self._users[engine] += 1
        try:
            yield engine
        finally:
            with self._lock:
                self._users[engine] -= 1
                over = self._is_over(engine)
            if over:
                engine.close()

    def exchange(self, engine: Engine) -> None:
        """Take another one from now on."""
        with self._lock:
            before, self._newest = self._newest, engine
            self._users[engine] = 0
            over = before is not None and self._is_over(before)
        if before is not None and before.watched is not engine.watched:
            before.watched.refreshing.stop()
        if before is not None and over:
            before.close()

    def stop(self) -> None:
        """Break off what is brought up to date."""
        self.newest.watched.refreshing.stop()

    def close(self) -> None:
        """Close all, whoever still uses them."""
        with self._lock:
            left, self._closed = list(self._users), True
        for engine in left:
            engine.close()

    def _is_over(self, engine: Engine) -> bool:
        """Tell, once, whether an old one is to be closed; the lock is held."""
        if self._closed or engine is self._newest or self._users[engine]:
            return False
        del self._users[engine]
        return True

    # what is done with them

    def search(self, job: Job, ticket: Ticket) -> Move | None:
        """Take a searcher's step."""
        with self.use() as engine:
            return engine.search(job, ticket)

    def fetch(self, job: Job, ticket: Ticket) -> Move | None:
        """Take a fetcher's step."""
        with self.use() as engine:
            return engine.acquire(job, ticket)

    def refresh(self) -> str:
        """Bring the sources up to date whose time has come; raises BookhopperError where one cannot be."""
        with self.use() as engine:
            return engine.watched.refreshing.run()

    def refresh_all(self) -> None:
        """Have every source brought up to date at the next `refresh`."""
        self.newest.watched.refreshing.anew()

    def end_silence(self) -> str:
        """Look again for what was put aside while a source was silent; raises HeldError, StoreError."""
        with self.use() as engine:
            engine.watched.silence.run()
            silent = [name for name, answers in engine.watched.answers.available.items() if not answers]
        return f"silent: {', '.join(silent)}" if silent else "every source answers"

    def answers(self) -> Sources:
        """Tell which sources answer."""
        return self.newest.watched.answers

    @property
    def source_names(self) -> frozenset[str]:
        """The names of the sources."""
        return self.newest.resolver.source_names

    def offers(
        self, want: Want, ticket: Ticket, limit: int = 50, *, languages: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """Give what answers a want, as `Resolver.offers` does."""
        with self.use() as engine:
            return engine.resolver.offers(want, ticket, limit, languages=languages)

    def lookup(self, pick: Pick, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Give what is behind a pick, as `Resolver.lookup` does."""
        with self.use() as engine:
            return engine.resolver.lookup(pick, formats, ticket)
