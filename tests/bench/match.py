"""How well the resolver decides over real wants: precision, recall, wrong deliveries, time a line.

The lines go the whole way: list parser, catalogue index, scores, decision.  `--explain` lists every miss and
every wrong book with its nearest candidates and their parts.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bookhopper.intake.parse import parse
from bookhopper.model import Candidate, Want
from bookhopper.net.hosts import Hosts
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.search.sources.base import Query, Source
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.ticket import Ticket
from tests.bench.fresh import Case, fresh_cases

FILES = ("positives", "messy", "hard_negatives", "easy_negatives")
ACCEPT = 0.85
MARGIN = 0.05
OTHER_TITLE = 0.25
"""Below this part of the score two titles share too few words to be one by their words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case, what was decided about it, and how long that took in seconds."""

    case: Case
    resolution: Resolution
    seconds: float
    english: bool

    @property
    def delivered(self) -> bool:
        return self.resolution.decision is Decision.ACCEPT

    @property
    def key(self) -> int:
        return int(self.resolution.chosen[0].key) if self.delivered else 0

    @property
    def correct(self) -> bool:
        return self.key in self.case["accept"]

    @property
    def wrong(self) -> bool:
        return self.delivered and not self.correct and self.key not in self.case["tolerate"]


@dataclass(slots=True)
class Tally:
    """The metrics over a set of verdicts, as ../shared/data/README.md defines them."""

    verdicts: list[Verdict] = field(default_factory=list)

    def _count(self, verdicts: Sequence[Verdict], quality: str) -> int:
        return sum(bool(getattr(verdict, quality)) for verdict in verdicts)

    @property
    def delivered(self) -> int:
        return self._count(self.verdicts, "delivered")

    @property
    def correct(self) -> int:
        return self._count(self.verdicts, "correct")

    @property
    def wrong(self) -> int:
        return self._count(self.verdicts, "wrong")

    @property
    def precision(self) -> float:
        return 1 - self.wrong / self.delivered if self.delivered else 1.0

    @property
    def strict_precision(self) -> float:
        return self.correct / self.delivered if self.delivered else 1.0

    @property
    def recall(self) -> float:
        there = [verdict for verdict in self.verdicts if verdict.english]
        return self._count(there, "correct") / len(there) if there else 1.0

    @property
    def absent(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.case["accept"]]

    @property
    def wrong_on_absent(self) -> int:
        return self._count(self.absent, "wrong")

    @property
    def wrong_share_on_absent(self) -> float:
        return self.wrong_on_absent / len(self.absent) if self.absent else 0.0

    def milliseconds(self, percent: int) -> float:
        times = [1000 * verdict.seconds for verdict in self.verdicts]
        return statistics.quantiles(times, n=100)[percent - 1] if len(times) > 1 else sum(times)


@contextmanager
def catalogue_source(data: Path, folder: Path) -> Iterator[tuple[GutenbergSource, GutenbergIndex]]:
    """Give the source over the real catalogue, indexed in `folder`."""
    index = GutenbergIndex(folder / "gutenberg.sqlite")
    with new_session() as session:
        source = GutenbergSource(
            "gutenberg",
            index,
            ["http://127.0.0.1:9"],
            str(data / "pg_catalog.csv.gz"),
            web=Web(session, Hosts()),
        )
        source.refresh(Ticket(0))
        try:
            yield source, index
        finally:
            source.close()


def read_cases(data: Path, name: str) -> list[Case]:
    """Read one file of bench/dev."""
    path = data / "bench" / "dev" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def dev_cases(data: Path) -> dict[str, Sequence[Case]]:
    """Read all files of bench/dev."""
    return {name: read_cases(data, name) for name in FILES}


class _Hiding:
    """A source that does not show some of its books."""

    def __init__(self, source: Source) -> None:
        self.name, self.kind = source.name, source.kind
        self.hidden: frozenset[str] = frozenset()
        self._source = source
        self.lookup, self.check = source.lookup, source.check
        self.refresh, self.close = source.refresh, source.close

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        found = self._source.search(query, ticket)
        return [each for each in found if each.key not in self.hidden] if self.hidden else found


def judge(data: Path, cases_of: Mapping[str, Sequence[Case]]) -> dict[str, Tally]:
    """Decide about every case; one tally a name."""
    with (
        tempfile.TemporaryDirectory(prefix="bookhopper-bench-") as folder,
        catalogue_source(data, Path(folder)) as (source, index),
    ):
        hiding = _Hiding(source)
        resolver = Resolver([hiding], accept=ACCEPT, margin=MARGIN, languages=["en"], formats=["epub"])
        tallies = {name: Tally() for name in cases_of}
        for name, tally in tallies.items():
            cases = cases_of[name]
            lines = "\n".join(case["raw_line"] for case in cases)
            wants = list(parse(f"{name}.txt", lines.encode()))
            for case, want in zip(cases, wants, strict=True):
                if not isinstance(want, Want):
                    raise TypeError(f"{case['raw_line']}: {want.reason}")
                hiding.hidden = frozenset(map(str, case.get("hidden", ())))
                started = time.perf_counter()
                resolution = resolver.resolve(want, Ticket(0))
                seconds = time.perf_counter() - started
                records = [index.get(key) for key in case["accept"]]
                english = any(record is not None and record.language == "en" for record in records)
                tally.verdicts.append(Verdict(case, resolution, seconds, english))
        resolver.close()
    return tallies


def whole(tallies: dict[str, Tally]) -> Tally:
    """Give the tally of all files together."""
    return Tally([verdict for tally in tallies.values() for verdict in tally.verdicts])


def half(tallies: dict[str, Tally], remainder: int) -> Tally:
    """Give the tally of every other book: a rule that only suits single cases shows in one half."""
    return Tally([each for each in whole(tallies).verdicts if int(each.case["book_id"]) % 2 == remainder])


def run(data: Path) -> int:
    """Print the table over bench/dev below `data`, or over fresh cases; 0 when it was there."""
    if not (data / "bench" / "dev").is_dir():
        print(f"match: no {data / 'bench' / 'dev'}, nothing measured")
        return 0
    if "--fresh" in sys.argv:
        seed = int(sys.argv[sys.argv.index("--fresh") + 1])
        show(judge(data, fresh_cases(data / "pg_catalog.csv.gz", seed)))
    else:
        show(judge(data, dev_cases(data)))
    return 0


def show(by_name: dict[str, Tally]) -> None:
    """Print the table, what is aimed at, and on request each miss."""
    tallies = by_name | {"half of ids": half(by_name, 0), "other half": half(by_name, 1)}
    print(
        f"{'match':<15} {'cases':>5} {'deliv':>5} {'right':>5} {'wrong':>5} {'precision':>9} {'strict':>7} "
        f"{'recall(en)':>10} {'wrong on absent':>17} {'p50 ms':>7} {'p99 ms':>7}"
    )
    for name, tally in {**tallies, "all": whole(by_name)}.items():
        absent = f"{tally.wrong_on_absent}/{len(tally.absent)} {tally.wrong_share_on_absent:.1%}"
        print(
            f"{name:<15} {len(tally.verdicts):>5} {tally.delivered:>5} {tally.correct:>5} {tally.wrong:>5} "
            f"{tally.precision:>9.1%} {tally.strict_precision:>7.1%} {tally.recall:>10.1%} {absent:>17} "
            f"{tally.milliseconds(50):>7.1f} {tally.milliseconds(99):>7.1f}"
        )
    show_aims(by_name)
    if "--explain" in sys.argv:
        explain(by_name)


def show_aims(tallies: dict[str, Tally]) -> None:
    """Print what is aimed at, beside what was reached."""
    every = whole(tallies)
    clean, messy = tallies["positives"], tallies["messy"]
    for aim, reached, value in (
        ("precision >= 99 %", every.precision >= 0.99, f"{every.precision:.1%}"),
        ("strict >= 95 %", every.strict_precision >= 0.95, f"{every.strict_precision:.1%}"),
        ("recall(en), clean lines >= 95 %", clean.recall >= 0.95, f"{clean.recall:.1%}"),
        ("recall(en), messy lines >= 92 %", messy.recall >= 0.92, f"{messy.recall:.1%}"),
        ("wrong on absent <= 1 of 440", every.wrong_share_on_absent <= 1 / 440, str(every.wrong_on_absent)),
    ):
        print(f"match: aim {aim:<33} {value:>7}  {'reached' if reached else 'NOT REACHED'}")


def explain(tallies: dict[str, Tally]) -> None:
    """List what went wrong, with the nearest candidates."""
    for name, tally in tallies.items():
        for verdict in tally.verdicts:
            if verdict.correct or not (verdict.delivered or verdict.english):
                continue
            kind = "WRONG" if verdict.wrong else "tolerated" if verdict.delivered else "missed"
            case = verdict.case
            print(f"\n{kind} [{name}] {case['raw_line']}\n    accept {case['accept']} {case['note']}")
            print(f"    {verdict.resolution.decision}: {verdict.resolution.reason}")
            if not verdict.delivered:
                print(f"    {_remedy(verdict)}")
            for candidate in verdict.resolution.near[:5]:
                print(f"    {_shown(candidate, case)}")


def _remedy(verdict: Verdict) -> str:
    """Tell why the accepted records were not taken, and what would get them."""
    accepted = [near for near in verdict.resolution.near if int(near.key) in verdict.case["accept"]]
    if not accepted or max(near.parts.get("title", 0.0) for near in accepted) < OTHER_TITLE:
        return "the catalogue has it under another title: a table of alternative titles would name it"
    if max(near.score for near in accepted) >= ACCEPT:
        return "another candidate fits as well: only a person, or more data on either, tells them apart"
    return f"it fits, but not well enough: best {max(near.score for near in accepted):.2f} of {ACCEPT}"


def _shown(candidate: Candidate, case: Case) -> str:
    key = int(candidate.key)
    mark = "+" if key in case["accept"] else "~" if key in case["tolerate"] else " "
    parts = " ".join(f"{name} {part:+.2f}" for name, part in candidate.parts.items())
    authors = " & ".join(candidate.authors)
    return f"{mark}{candidate.score:.3f} {key} {candidate.title} | {authors} | {candidate.language} ({parts})"


if __name__ == "__main__":
    raise SystemExit(run(Path(__file__).resolve().parents[2].parent / "shared" / "data"))
