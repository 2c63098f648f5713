"""A daemon killed again and again while lists are dropped and a consumer eats: what has come of it."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from tests.daemon import Daemon
from tests.fakes.opds_server import FakeCatalogue
from tests.reliability.consumer import Consumer
from tests.reliability.crash_steps import IMPATIENT, STEPS, Step
from tests.reliability.crash_wants import List, Wants
from tests.reliability.faults_impatient import MODULE
from tests.waiting import until

_LINE = re.compile(r"^ *(\d+)  ([a-z]+)\*? ", re.MULTILINE)
_SETTLING_SECONDS = 120.0
SEED = int(os.environ.get("BOOKHOPPER_SEED", str(time.time_ns() % 1_000_000)))


class Sweep:
    """A daemon, its catalogues and its consumer; counts what is done to it.

    An impatient daemon waits for little by the clock.
    """

    def __init__(
        self,
        daemon: Daemon,
        wants: Wants,
        catalogue: FakeCatalogue,
        consumer: Consumer,
        *,
        impatient: bool = False,
    ) -> None:
        self.daemon = daemon
        self.wants = wants
        self.consumer = consumer
        self.steps: Counter[str] = Counter()
        self.kills = 0
        self.took = 0.0
        self._catalogue = catalogue
        self._mark = daemon.state.parent / "reached"
        self._random = random.Random(SEED)
        self._options = (IMPATIENT,) if impatient else ()
        self._plain = ("-m", MODULE if impatient else "bookhopper")
        daemon.program = self._plain

    def feed(self) -> None:
        """Drop a list of new wants, at times of the other kind."""
        kind = (
            self.wants.yaml_list(self._catalogue)
            if len(self.wants.lists) % 3 == 2
            else self.wants.text_list()
        )
        self.drop(kind)

    def drop(self, wanted: List) -> None:
        """Put a list into the requests folder."""
        self.daemon.drop(wanted.name, wanted.text)

    def killed(self) -> None:
        """Do what follows on a kill."""
        self.kills += 1

    def index(self) -> None:
        """Let it index the catalogue: until then it finds nothing but what the other one has."""
        self.daemon.start()
        until(lambda: "source gutenberg:" in self.daemon.log, "the index of the catalogue")
        assert self.daemon.stop() == 0

    def kill_at(self, step: Step) -> None:
        """Start a daemon that dies at a step, and see that it did."""
        if step.first:
            self.kill_at(STEPS[step.first])
        self.feed()
        self._mark.unlink(missing_ok=True)
        launcher = ("-m", "tests.reliability.crash_steps", *self._options)
        self.daemon.program = (*launcher, step.name, str(self._mark))
        process = self.daemon.spawn()
        try:
            until(lambda: process.poll() is not None, f"{step.name}: never reached")
            assert self.daemon.wait() == -SIGKILL, f"{step.name}: it ended by itself:\n{self.daemon.log}"
        finally:
            self.daemon.program = self._plain
        assert self._mark.read_text(encoding="utf-8") == step.name
        self.steps[step.name] += 1
        self.killed()

    def kill_at_random(self) -> None:
        """Start it and kill it at any moment: while it starts, while it works, or when ingest changes."""
        self.feed()
        way = self._random.choice(("start", "work", "event"))
        process = self.daemon.spawn()
        if way == "event":
            left = iter(range(self._random.randrange(1, 12)))
            self.consumer.trigger = lambda _: None if next(left, None) is not None else process.kill()
        elif way == "work":
            until(lambda: "READY=1" in self.daemon.notices or process.poll() is not None, "READY=1")
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._random.uniform(0.0, 0.8 if way == "start" else 2.5))
        process.kill()
        assert self.daemon.wait() == -SIGKILL, self.daemon.log
        self.consumer.trigger = lambda _: None
        self.killed()

    def run(self, steps: Sequence[Step], kills: int) -> None:
        """Kill at every step and at least so often, and let all come to its end."""
        self.index()
        for step in plan(steps, kills):
            if step is None:
                self.kill_at_random()
            else:
                self.kill_at(step)
        self.settle()
        until(lambda: not self.left(), lambda: f"ingest is empty: {self.left()}")

    def settle(self) -> None:
        """Let it work without another kill until every line of every report has come to its end."""
        self.daemon.start()
        began = time.monotonic()
        until(
            lambda: not self.unsettled(),
            lambda: f"{self.unsettled()}\n{self.daemon.log[-20000:]}",
            seconds=_SETTLING_SECONDS + self.kills,
        )
        self.took = time.monotonic() - began
        until(lambda: not self.owed(), lambda: f"{self.owed()}\n{self.daemon.log[-20000:]}")
        assert self.daemon.stop() == 0

    def left(self) -> list[str]:
        """List what lies in ingest, sub-folders without a book included."""
        return self.daemon.delivered()

    def owed(self) -> list[Path]:
        """List the runs of a script that are still to come; none where there is no script."""
        return sorted((self.daemon.state / "scripts-owed").glob("*"))

    def unsettled(self) -> list[str]:
        """List the lines whose report does not say how they ended, or says it wrongly."""
        wrong = []
        for each in self.wants.lists:
            found = {int(number): state for number, state in _LINE.findall(self.daemon.report(each.name))}
            wrong += [
                f"{each.name}:{line}: {found.get(line, 'no word of it')}"
                for line, states in each.lines.items()
                if found.get(line) not in states
            ]
        return wrong

    def figures(self) -> dict[str, object]:
        eaten, expected = self.consumer.eaten, self.wants.expected
        return {
            "kills": self.kills,
            "of these at a named step": self.steps.total(),
            "named steps reached": len(self.steps),
            "lists": len(self.wants.lists),
            "wants in": sum(len(each.lines) for each in self.wants.lists),
            "books delivered": eaten.total(),
            "books to be delivered": expected.total(),
            "doubled": (eaten - expected).total(),
            "lost": (expected - eaten).total() + len(self.unsettled()),
            "partial files seen in ingest": len(self.consumer.partial),
            "half-made files seen there under .uploading": self.consumer.staged,
            "seconds from the last start until all was settled": f"{self.took:.1f}",
            "seed": SEED,
        }


def plan(steps: Sequence[Step], kills: int) -> Iterator[Step | None]:
    """Give every step, then as many moments at random (None), over and over until there are enough kills."""
    shuffled = random.Random(SEED)
    given = 0
    while given < kills:
        for step in shuffled.sample(steps, len(steps)):
            given += 2 if step.first else 1
            yield step
        for _ in range(min(len(steps), max(0, kills - given))):
            given += 1
            yield None
