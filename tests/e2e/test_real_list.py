"""Real wants against the real catalogue, with a mirror that gives an EPUB for any record number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookhopper.verify import verify
from tests.daemon import Daemon
from tests.e2e.conftest import number_in
from tests.fakes.mirror import GUTENBERG_PATH, Mirror, gutenberg_book, mirror
from tests.waiting import until

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PARTS = {"positives": 78, "messy": 12, "hard_negatives": 8, "easy_negatives": 2}
SETTLED = {"done", "duplicate", "missing", "ambiguous", "failed"}

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the real catalogue and wants are not here: {DATA} is absent"
)


def _wants() -> list[dict[str, Any]]:
    """Take a hundred wants, evenly from each file."""
    found = []
    for part, number in PARTS.items():
        lines = (DATA / "bench" / "dev" / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
        step = len(lines) / number
        found += [json.loads(lines[int(step * place)]) for place in range(number)]
    return found


def _make(path: str) -> bytes | None:
    """Give a book for any record number; some have only the later forms of the file."""
    found = GUTENBERG_PATH.fullmatch(path)
    if found is None:
        return None
    number, form = int(found[1]), found[2]
    absent = (number % 3 == 0 and form == "-images-3") or (number % 6 == 0 and form == "-images")
    return None if absent else gutenberg_book(number, form)


@pytest.fixture
def library() -> Iterator[Mirror]:
    with mirror(_make) as served:
        yield served


def test_a_hundred_real_wants_become_the_right_books(library: Mirror, tmp_path: Path) -> None:
    wants = _wants()
    source = {
        "kind": "gutenberg",
        "catalogue": str(DATA / "pg_catalog.csv.gz"),
        "mirrors": [library.url],
    }
    daemon = Daemon(tmp_path / "home", {"sources": [source]})
    try:
        daemon.start()
        daemon.drop("wants.txt", "".join(f"{want['raw_line']}\n" for want in wants))
        until(
            lambda: (counts := daemon.counts()).keys() <= SETTLED and sum(counts.values()) > 0,
            f"every want settled\n{daemon.log}",
            seconds=90,
        )
        jobs = daemon.jobs()
        assert daemon.stop() == 0
    finally:
        daemon.close()

    report = daemon.report("wants.txt")
    answers = {
        int(number): state for number, state in re.findall(r"^ *(\d+)  ([a-z]+) ", report, re.MULTILINE)
    }
    assert sorted(answers) == list(range(1, len(wants) + 1))
    assert set(answers.values()) <= SETTLED
    unanswered = [want["raw_line"] for want in wants if want["raw_line"] not in report]
    assert unanswered == []

    books = {number_in(path): path for path in daemon.ingest.iterdir()}
    names = daemon.delivered()
    assert len(books) == len(names), "no book twice"
    assert all(name.endswith(".epub") for name in names), "nothing partial"
    assert all(verify(path, "epub").ok for path in books.values())

    by_line = dict(enumerate(wants, start=1))
    done = [job for job in jobs if job["state"] == "done"]
    assert {int(job["candidate"]["key"]) for job in done} == set(books)
    wrong = [
        (job["raw"], job["candidate"]["key"])
        for job in done
        if int(job["candidate"]["key"])
        not in {*by_line[job["line"]]["accept"], *by_line[job["line"]]["tolerate"]}
    ]
    assert wrong == []
    assert len(done) >= 45, "fewer than half of what is in the catalogue"
    forms = {
        form for seen in library.seen if seen.status == 200 for form in GUTENBERG_PATH.findall(seen.path)
    }
    assert {form for _, form in forms} == {"-images-3", "-images", ""}
