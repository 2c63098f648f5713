"""What the demonstration shows: progress bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import humanize
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from bookhopper.errors import shortened
from bookhopper.model import UNSETTLED, State

_STYLES = {
    State.DONE: "green",
    State.AMBIGUOUS: "yellow",
    State.MISSING: "yellow",
    State.FAILED: "red",
}
_NAME_WIDTH = 34


class Screen:
    """Says each step of the demonstration in a few words."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, title: str, remark: str = "") -> None:
        """Begin a step."""
        self._console.print()
        text = Text.assemble((title, "bold cyan"), "  " if remark else "", (remark, "dim"))
        self._console.print(text, soft_wrap=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Show lines as they are, a little indented; a terminal that is too narrow cuts them."""
        for line in lines:
            text = Text(f"  {line}".rstrip())
            text.highlight_regex(r"^ +#.*|^ +-+$|^ +=+$|(?<=  )# .*", "dim")
            text.highlight_regex(r"pick: \d+ [^ ]+", "cyan")
            for state, style in _STYLES.items():
                text.highlight_regex(rf"^ +\d+  {state.value}\b", style)
            self._console.print(
                text, no_wrap=True, overflow="ellipsis" if self._console.is_terminal else "ignore", crop=False
            )

    def files(self, folder: Path) -> None:
        """List a folder's files with their sizes."""
        files = sorted(folder.iterdir())
        width = max((len(file.name) for file in files), default=0)
        for file in files:
            size = humanize.naturalsize(file.stat().st_size)
            text = Text.assemble("  ", (file.name.ljust(width), "green"), "  ", (size, "dim"))
            self._console.print(text, soft_wrap=True)

    def checks(self, checks: Iterable[tuple[bool, str]]) -> None:
        """Show what was expected, and whether it came true."""
        for good, what in checks:
            mark = ("✓ ", "bold green") if good else ("✗ ", "bold red")
            self._console.print(Text.assemble("  ", mark, what), soft_wrap=True)

    def fault(self, message: str) -> None:
        """Say what went wrong."""
        self._console.print(Text(message, "bold red"), soft_wrap=True)

    def progress(self, wants: int) -> Watching:
        """Show how the wants come along, for a `with` block."""
        return Watching(self._console, wants)


class Watching:
    """The jobs as they come along: bars on a terminal, elsewhere a line for each that is settled."""

    def __init__(self, console: Console, wants: int) -> None:
        self._console = console
        self._wants = wants
        self._settled: set[int] = set()
        self._bars: dict[int, TaskID] = {}
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(28),
            TaskProgressColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task(_fitted("all of the list"), total=wants)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._console.print(f"  {len(self._settled)} of {self._wants} wants have their answer")

    def update(self, downloads: Sequence[Mapping[str, Any]]) -> None:
        """Show the jobs as the daemon's API gives them."""
        for download in sorted(downloads, key=lambda each: float(each["changed"])):
            state = State(download["state"])
            if state not in UNSETTLED:
                self._settle(download, state)
            elif state is State.DOWNLOADING and download["total"]:
                self._move(download)
        self._progress.update(self._all, completed=len(self._settled))

    def _move(self, download: Mapping[str, Any]) -> None:
        received, total = download["received"], download["total"]
        if (bar := self._bars.get(download["id"])) is not None:
            self._progress.update(bar, completed=received, total=total)
        else:
            name = _fitted(_book(download))
            self._bars[download["id"]] = self._progress.add_task(name, completed=received, total=total)

    def _settle(self, download: Mapping[str, Any], state: State) -> None:
        if download["id"] in self._settled:
            return
        self._settled.add(download["id"])
        if (bar := self._bars.pop(download["id"], None)) is not None:
            self._progress.remove_task(bar)
        if not self._console.is_terminal:
            self._console.print(f"  {state.value:<10}{_book(download)}", soft_wrap=True, markup=False)


def _book(download: Mapping[str, Any]) -> str:
    candidate = download["candidate"]
    found = candidate if candidate and download["state"] in {State.DOWNLOADING, State.DONE} else download
    return " — ".join([found["title"], *found["authors"][:1]])


def _fitted(text: str) -> str:
    return shortened(text, _NAME_WIDTH).ljust(_NAME_WIDTH)
