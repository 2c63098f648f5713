"""Where the daemon can be killed, by name; and the daemon that kills itself there, with SIGKILL.

    python -m tests.reliability.crash_steps STEP MARK run --config FILE

runs the real command line; the process ends at STEP, having written the step's name to the file MARK.  With
`--impatient` before STEP it waits as little by the clock as `faults_impatient`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from bookhopper import cli
from bookhopper.delivery.naming import STAGED_SUFFIX
from bookhopper.model import State
from tests.reliability.faults_impatient import hurry

Counts = Callable[[tuple[Any, ...], dict[str, Any], Any], bool]
"""Whether a call is meant, by its arguments and (after it) its result."""

IMPATIENT = "--impatient"
_MID_FILE = 300_000
_dying = threading.Lock()


@dataclass(frozen=True, slots=True)
class Step:
    """A moment: before or after a call of `target` (`module:name`) that `counts`.

    What only a start after another crash comes to has that one's name as `first`.
    """

    name: str
    when: Literal["before", "after"]
    target: str
    counts: Counts = lambda _, __, ___: True
    first: str = ""


def _claims(state: State) -> Counts:
    return lambda args, _, job: args[1] is state and job is not None


def _moves(to: State) -> Counts:
    return lambda args, _, __: args[1].after is to


_FOLDER = "bookhopper.intake.folder:RequestFolder"
_STORE = "bookhopper.store.sqlite:SqliteStore"
_INGEST = "bookhopper.delivery.ingest:IngestFolder"

_SCRIPT = "bookhopper.scripts.script:Script"
_AFTER = "bookhopper.after_delivery:AfterDelivery"

INTAKE = (
    Step("list seen, not taken", "before", f"{_FOLDER}.rename"),
    Step("list taken, not read", "after", f"{_FOLDER}.rename"),
    Step("parsed, report reserved, not stored", "before", f"{_STORE}.add_request"),
    Step("parsed and written, not committed", "after", "bookhopper.store.intake:add_request"),
    Step("committed, not reported", "after", f"{_STORE}.add_request"),
    Step("committed and reported, not moved", "before", f"{_FOLDER}.file_away"),
    Step("in the middle of the move", "before", "os:rename", lambda _, named, __: _crosses(named)),
    Step("moved", "after", f"{_FOLDER}.file_away"),
    Step("report written, not named", "before", "os:rename", lambda args, _, __: _is_report(args[0])),
)
FETCHING = (
    Step("claimed to be searched", "after", f"{_STORE}.claim", _claims(State.WANTED)),
    Step("searched, not recorded", "before", f"{_STORE}.move", _moves(State.QUEUED)),
    Step("claimed, not downloaded", "after", f"{_STORE}.claim", _claims(State.QUEUED)),
    Step("mid-file", "after", "bookhopper.part:PartFile.write", lambda args, _, __: args[0].size > _MID_FILE),
    Step("downloaded, not verified", "before", "bookhopper.acquire:verify"),
)
DELIVERY = (
    Step("verified, not placed", "after", "bookhopper.acquire:verify"),
    Step("noted, not placed", "before", f"{_INGEST}.stage"),
    Step("placed, not in the ledger", "after", f"{_INGEST}.stage"),
    Step("written to the ledger, not committed", "after", "bookhopper.store.steps:place"),
    Step("in the ledger, not renamed", "before", f"{_INGEST}.reveal"),
    Step(
        "renamed, the folder not synced",
        "after",
        "bookhopper.delivery.ingest:rename_without_replacing",
        lambda args, _, __: args[0].name.endswith(STAGED_SUFFIX),
    ),
    Step("renamed, not DONE", "after", f"{_INGEST}.reveal"),
    Step("DONE, not committed", "after", "bookhopper.store.steps:complete"),
    Step("DONE, not reported", "after", f"{_STORE}.complete"),
    Step(
        "the last line settled, not reported",
        "before",
        "bookhopper.intake.reporter:Reporter._write",
        lambda args, _, __: args[0]._unsettled(args[1]) == 0,
    ),
)
COPYING = (
    Step("copying begun", "before", "shutil:copyfileobj", lambda args, _, __: _into_ingest(args[1])),
    Step("copied, not synced", "after", "shutil:copyfileobj", lambda args, _, __: _into_ingest(args[1])),
)
SCRIPTS = (
    Step("script at work", "before", f"{_SCRIPT}._attend", lambda args, _, __: _is_first(args[0])),
    Step("script ended, not delivered", "after", f"{_SCRIPT}.run", lambda args, _, __: _is_first(args[0])),
    Step("run owed, not delivered", "after", f"{_AFTER}.owe"),
    Step(
        "script at work on what is delivered",
        "before",
        f"{_SCRIPT}._attend",
        lambda args, _, __: not _is_first(args[0]),
    ),
    Step("told of, still owed", "before", f"{_AFTER}._settle"),
)
SUB_FOLDERS = (Step("sub-folder made, nothing in it", "after", f"{_INGEST}._make_folders"),)
TAKING_UP = (
    Step("stray removed, log not cleared", "after", f"{_INGEST}.discard", first="placed, not in the ledger"),
    Step(
        "placed one taken up, not renamed", "before", f"{_INGEST}.reveal", first="in the ledger, not renamed"
    ),
    Step("placed one renamed, not DONE", "after", f"{_INGEST}.reveal", first="in the ledger, not renamed"),
    Step("renamed one found, not DONE", "before", f"{_STORE}.complete", first="renamed, not DONE"),
)
STARTING = (
    Step("database opened", "after", "bookhopper.store.connection:migrate"),
    Step("sending back, not committed", "after", "bookhopper.store.steps:recover", first="mid-file"),
    Step("sent back", "after", f"{_STORE}.recover", first="claimed, not downloaded"),
    Step(
        "leftover list stored again",
        "after",
        f"{_STORE}.add_request",
        first="committed and reported, not moved",
    ),
    Step("leftover list taken up", "before", f"{_FOLDER}.read", first="list taken, not read"),
    *TAKING_UP,
)
STEPS = {
    step.name: step for step in (*INTAKE, *FETCHING, *DELIVERY, *COPYING, *SUB_FOLDERS, *SCRIPTS, *STARTING)
}


def _is_first(script: Any) -> bool:
    return bool(script.stage == "after_verify")


def _crosses(named: dict[str, Any]) -> bool:
    return named.get("src_dir_fd") != named.get("dst_dir_fd")


def _is_report(source: Any) -> bool:
    return isinstance(source, str) and source.endswith(".report.txt.tmp")


def _into_ingest(goal: Any) -> bool:
    return str(goal.name).endswith(STAGED_SUFFIX)


def die_at(step: Step, mark: Path) -> None:
    """Put the end of this process before or after a function, wherever it is called from by its name."""
    module, _, path = step.target.partition(":")
    *outer, name = path.split(".")
    owner: Any = import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    real = getattr(owner, name)

    def dying(*args: Any, **named: Any) -> Any:
        if step.when == "before" and step.counts(args, named, None):
            _die(step, mark)
        result = real(*args, **named)
        if step.when == "after" and step.counts(args, named, result):
            _die(step, mark)
        return result

    setattr(owner, name, dying)


def _die(step: Step, mark: Path) -> None:
    _dying.acquire()  # another thread may come to the step as well, and is not to cut the mark short
    mark.write_text(step.name, encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Run the command line until the step is come to."""
    if arguments[0] == IMPATIENT:
        hurry()
        del arguments[0]
    step, mark, *command = arguments
    die_at(STEPS[step], Path(mark))
    cli.main(command, prog_name="bookhopper")


if __name__ == "__main__":
    main(sys.argv[1:])
