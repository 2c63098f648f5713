"""Commands completed at a Tab: in bash, zsh and fish themselves, and what those are told."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bookhopper import shipped
from bookhopper.cli import main
from tests import books, generated
from tests.daemon import Daemon
from tests.terminal import Terminal
from tests.waiting import until

Complete = Callable[[str], str]
"""Gives a command line with every completion of its last word inserted."""

SCRIPTS = {
    shell: shipped.COMPLETION / shell / name
    for shell, name in (("bash", "bookhopper"), ("zsh", "_bookhopper"), ("fish", "bookhopper.fish"))
}
_ALL, _SHOW = "\x14", "\x07"  # Ctrl-T, Ctrl-G


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a `bookhopper` to be found in it, and files to be named."""
    program = tmp_path / "bin" / "bookhopper"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bookhopper "$@"\n')
    program.chmod(0o755)
    for name in ("some books.epub", "library", "list.txt"):
        (tmp_path / name).mkdir() if name == "library" else (tmp_path / name).write_text("")
    sources = [{"kind": "folder", "name": "shelf", "path": str(tmp_path / "library")}]
    folders = {name: str(tmp_path / name) for name in ("requests", "ingest", "state")}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"folders": folders, "sources": sources}))
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    found = f"{home / 'bin'}:{os.environ['PATH']}"
    return kept | {"HOME": str(home), "PATH": found, "TERM": "dumb", "ZDOTDIR": str(home)}


def needed(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


def typed(command: list[str], home: Path) -> Iterator[Complete]:
    """Type into a shell of which Ctrl-T inserts all completions, and Ctrl-G writes the line to a file."""
    line = home / "line"
    terminal = Terminal(command, environment(home), home)

    def complete(text: str) -> str:
        line.unlink(missing_ok=True)
        terminal.type(text + _ALL)
        terminal.type(_SHOW)
        until(lambda: line.exists() and line.read_text().endswith("\n"), lambda: terminal.shown)
        terminal.type("\x15")
        return line.read_text().removesuffix("\n")

    terminal.await_text("ready> ")
    yield complete
    terminal.close()


@pytest.fixture
def bash(home: Path) -> Iterator[Complete]:
    program = needed("bash")
    (home / "bashrc").write_text(
        f"PS1='ready> '\nsource {SCRIPTS['bash']}\n"
        "bind '\"\\C-t\": insert-completions'\n"
        'bind -x \'"\\C-g": printf %s"\\n" "$READLINE_LINE" > line\'\n'
    )
    yield from typed([program, "--noprofile", "--rcfile", str(home / "bashrc"), "-i"], home)


@pytest.fixture
def zsh(home: Path) -> Iterator[Complete]:
    program = needed("zsh")
    (home / ".zshrc").write_text(
        f"PS1='ready> '\nfpath=({SCRIPTS['zsh'].parent} $fpath)\nautoload -Uz compinit; compinit -u -D\n"
        "zle -C all complete-word _generic; bindkey '^T' all\n"
        "zstyle ':completion:all:*' completer _all_matches _complete\n"
        "zstyle ':completion:all:*' insert yes\n"
        "dump() { print -r -- $BUFFER > line }; zle -N dump; bindkey '^G' dump\n"
    )
    yield from typed([program, "-i"], home)


@pytest.fixture
def fish(home: Path) -> Complete:
    program = needed("fish")

    def complete(text: str) -> str:
        asked = f"source {SCRIPTS['fish']}; complete -C {shlex.quote(text)}"
        told = subprocess.run(
            [program, "--no-config", "-c", asked],
            env=environment(home),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert not told.stderr
        words = [row.partition("\t")[0] for row in told.stdout.splitlines()]
        return f"{text.rpartition(' ')[0]} {' '.join(words)} "

    return complete


@pytest.fixture(params=["bash", "zsh", "fish"])
def complete(request: pytest.FixtureRequest) -> Complete:
    found: Complete = request.getfixturevalue(request.param)
    return found


def test_what_a_shell_completes(complete: Complete) -> None:
    whole = {
        "bookhopper que": "bookhopper queue",
        "bookhopper queue re": "bookhopper queue reorder resume retry",
        "bookhopper queue list --state mi": "bookhopper queue list --state missing",
        "bookhopper queue list --state=mi": "bookhopper queue list --state=missing",
        "bookhopper queue list --of": "bookhopper queue list --offset",
        "true | bookhopper tok": "true | bookhopper token",
        "bookhopper search --from lis": "bookhopper search --from list.txt",
        "bookhopper run --config=own": "bookhopper run --config=own.yaml",
        "bookhopper source show --config own.yaml sh": "bookhopper source show --config own.yaml shelf",
        "bookhopper files show book": "bookhopper files show bookhopper.example.yaml",
        "bookhopper completion z": "bookhopper completion zsh",
        "~/bin/bookhopper sta": "~/bin/bookhopper status",
    }
    assert {line: complete(line).rstrip() for line in whole} == whole


def test_a_folder_is_wanted(complete: Complete) -> None:
    assert complete("bookhopper files copy grafana --to li").rstrip(" /").endswith(" --to library")


def test_a_name_with_a_space_is_quoted(home: Path, complete: Complete) -> None:
    completed = complete("bookhopper verify some").rstrip()
    assert shlex.split(completed)[2:] in (["some books.epub"], ["some", "books.epub"])


# what a shell is told


def told(line: str, home: Path) -> list[list[str]]:
    """Ask as a shell does."""
    asked = {**environment(home), "_BOOKHOPPER_COMPLETE": "line_complete", "COMP_LINE": line}
    ended = subprocess.run(
        [home / "bin" / "bookhopper"], env=asked, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == ""
    return [row.split("\t") for row in ended.stdout.splitlines() if row]


def test_each_command_is_told_with_what_it_does(home: Path) -> None:
    assert ["plain", "token", "Make and remove API tokens."] in told("bookhopper ", home)
    assert ["plain", "--once", "Print the table once, even on a terminal."] in told(
        "bookhopper status --", home
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "bookhopper nothing ",
        'bookhopper "unclosed',
        "bookhopper queue list --state",
        "\x1b\\ '",
        "é\udcff",
    ],
)
def test_an_odd_line_is_no_fault(home: Path, line: str) -> None:
    told(line, home)


def test_what_cannot_be_found_is_not_told(home: Path) -> None:
    (home / "own.yaml").write_text("folders: [")
    for line in ("queue pause ", "source show ", "token remove ", "source test "):
        rows = told(f"bookhopper {line} --config own.yaml ", home)
        assert all(row[0] == "file" for row in rows)


def test_jobs_tokens_and_definitions_are_told(home: Path) -> None:
    (home / "books").mkdir()
    (home / "books" / "emma.epub").write_bytes(books.epub("Emma", "Jane Austen"))
    source = {"kind": "folder", "name": "shelf", "path": str(home / "books")}
    daemon = Daemon(home / "daemon", {"sources": [source]})
    daemon.start()
    try:
        config = str(home / "daemon" / "daemon.yaml")
        for words in (["queue", "pause"], ["token", "new", "telephone"]):
            assert CliRunner().invoke(main, [*words, "--config", config]).exit_code == 0
        daemon.drop("list.txt", "Emma — Jane Austen\nNothing — Nobody\n")
        daemon.await_counts(queued=1, missing=1)
        jobs = {item["title"]: str(item["id"]) for item in daemon.jobs()}
        shown = told(f"bookhopper queue cancel --config {config} ", home)
        assert ["plain", jobs["Emma"], "Emma — Jane Austen — queued"] in shown
        assert [row[1] for row in told(f"bookhopper queue retry --config {config} ", home)] == [
            jobs["Nothing"]
        ]
        assert told(f"bookhopper queue resume --config {config} ", home) == []
        assert told(f"bookhopper token remove --config={config} tel", home) == [["plain", "telephone", ""]]
        names = [row[1] for row in told(f"bookhopper source test --config {config} ", home)]
        assert {"shelf", "oapen"} <= set(names)
        assert told(f"bookhopper source test --config {config} ./", home) == [["file", "./", ""]]
    finally:
        daemon.close()


def test_completing_loads_no_command(home: Path) -> None:
    asked = environment(home) | {"_BOOKHOPPER_COMPLETE": "line_complete", "COMP_LINE": "bookhopper queue re"}
    script = (
        "import sys\nfrom bookhopper.cli import main\n"
        "try: main(prog_name='bookhopper')\nfinally: print(*sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], env=asked, capture_output=True, text=True, check=True
    )
    loaded = set(ended.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & {"pydantic", "rich", "yaml", "requests", "bookhopper.config", "bookhopper.cli.queue"}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_a_shell_is_printed(shell: str) -> None:
    printed = CliRunner().invoke(main, ["completion", shell])
    assert printed.stdout_bytes == SCRIPTS[shell].read_bytes()
    program = shutil.which(shell)
    if program is not None:
        assert subprocess.run([program, "-n", str(SCRIPTS[shell])], check=False).returncode == 0


def test_what_is_written_from_the_code_is_up_to_date() -> None:
    for path, text in generated.contents().items():
        assert path.read_text(encoding="utf-8") == text, "write it anew: python -m tests.generated"
