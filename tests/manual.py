"""The man page, made of what the commands themselves say of how they are called (man(7) macros)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import click

from bookhopper import RELEASED, __version__
from bookhopper.cli import SECTIONS, config_option, json_option, main

_WIDTH = 72
_COMMON = frozenset(("config_path", "as_json"))
"""Options that stand once, for all commands: see OPTIONS."""

_ESCAPED = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}

_FILES = {
    "$XDG_CONFIG_HOME/bookhopper/bookhopper.yaml": "The configuration, where --config names no other "
    "(~/.config where XDG_CONFIG_HOME is not set); else /etc/bookhopper/bookhopper.yaml, the service's, for "
    "whoever may read it.  `bookhopper files show bookhopper.example.yaml` prints "
    "one with every key and its default.",
    "$XDG_CONFIG_HOME/bookhopper/sources.d/": "Definitions of catalogues of your own.",
    "$XDG_DATA_HOME/bookhopper/requests/": "Where want-lists are dropped (folders.requests); below it lie "
    "accepted, rejected and reports.",
    "$XDG_DATA_HOME/bookhopper/ingest/": "Where books come out (folders.ingest).  It is never made.",
    "$XDG_STATE_HOME/bookhopper/": "The queue, part files, copies, tokens (folders.state).",
}
_SIGNALS = {
    "SIGTERM, SIGINT": "`bookhopper run` stops in order; what was cut short goes on at the next start.",
    "SIGHUP": "It reads its configuration again, as `bookhopper reload` has it do; where its terminal was "
    "closed, it stops.",
}
_ENVIRONMENT = {
    "BOOKHOPPER_SECTION_KEY": "A variable for every key of the configuration, such as "
    "BOOKHOPPER_DOWNLOAD_WORKERS; it goes before the file.",
    "XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME": "Where the files below lie.",
    "NOTIFY_SOCKET, WATCHDOG_USEC, CREDENTIALS_DIRECTORY": "Set by systemd for a service.",
}


def page() -> str:
    """Write the page."""
    lines = [*_head(), *_commands(), *_foot()]
    before = ["", *lines]
    kept = (line for line, last in zip(lines, before, strict=False) if not _is_idle(line, last))
    return "\n".join(kept) + "\n"


def _is_idle(line: str, last: str) -> bool:
    """Whether a paragraph begins where one has just begun."""
    return line == ".PP" and last.startswith((".SH", ".SS"))


def _head() -> Iterator[str]:
    ctx = _context(main, None, "bookhopper")
    yield r".\" Written from the commands by `python -m tests.generated`; what it says is changed in them."
    yield f'.TH BOOKHOPPER 1 {RELEASED} "bookhopper {__version__}" "User commands"'
    yield from (".nh", ".ad l")
    yield from (".SH NAME", r"bookhopper \- want\-lists in, verified books out")
    yield from (".SH SYNOPSIS", *_synopsis(main, ctx))
    yield from (".SH DESCRIPTION", *_prose(main.help or ""))
    for title, commands in SECTIONS.items():
        yield from (".PP", f"{_inline(title)}:", ".RS", ".PD 0")
        for name, said in commands.items():
            yield from (".TP 12", f".B {_literal(name)}", *_sentences(said))
        yield from (".PD", ".RE")
    yield from (".SH OPTIONS", "Most commands have the first two; each has the last.")
    common = [*_made(config_option), *_made(json_option)]
    yield from _options([*common, *(p for p in main.get_params(ctx) if p.name != "version")], ctx)


def _commands() -> Iterator[str]:
    top = _context(main, None, "bookhopper")
    for title, commands in SECTIONS.items():
        yield f".SH {title.upper()}"
        for name in commands:
            command = main.get_command(top, name)
            if command is not None:
                yield from _command(command, _context(command, top, name))


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f'.SS "{_literal(ctx.command_path)}"'
    yield from _synopsis(command, ctx)
    yield from _prose(command.help or "")
    yield from _options([param for param in command.params if param.name not in _COMMON], ctx)
    yield from _prose(command.epilog or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None:
                yield from _command(below, _context(below, ctx, name))


def _foot() -> Iterator[str]:
    exits, examples = (main.epilog or "").split("\n\n", 1)
    yield ".SH EXIT STATUS"
    for status, meaning in re.findall(r"(\d) (.*?)(?:;|\.$)", " ".join(exits.split())):
        yield from (".TP 4", f".B {status}", *_sentences(f"{meaning[0].upper()}{meaning[1:]}."))
    yield from _paragraph("A command that gives these another sense says so above.")
    yield from _listed("SIGNALS", _SIGNALS)
    yield from _listed("ENVIRONMENT", _ENVIRONMENT)
    yield from _listed("FILES", _FILES)
    yield from (".SH EXAMPLES", *_prose(examples.replace("Examples:\n", "")))
    yield from (".SH SEE ALSO", r".BR systemctl (1),", r".BR journalctl (1),", ".BR promtool (1)")


def _listed(title: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f".SH {title}"
    for name, said in entries.items():
        yield from (".TP", f".B {_literal(name)}", *_sentences(said))


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    return click.Context(command, parent, name, **command.context_settings)


def _made(decorator: object) -> Sequence[click.Parameter]:
    """Give the options that a decorator adds to a command."""
    assert callable(decorator)
    made: Sequence[click.Parameter] = click.command(decorator(lambda: None)).params
    return made


def _synopsis(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Write how a command is called, every option of its own by name."""
    pieces = [r"\fB" + _literal(ctx.command_path) + r"\fR"]
    for param in command.params:
        record = param.get_help_record(ctx)
        if isinstance(param, click.Option) and record and param.name != "version":
            called = record[0].split(", ")[-1]
            repeated = " ..." if param.multiple else ""
            pieces.append(_literal(called if param.required else f"[{called}]{repeated}"))
    pieces += [_literal(piece) for piece in command.collect_usage_pieces(ctx)[1:]]
    yield from (".PP", *_wrapped(" ".join(pieces)))


def _options(params: Sequence[click.Parameter], ctx: click.Context) -> Iterator[str]:
    for param in params:
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None:
            called, said = record
            yield from (".TP", f".B {_literal(called)}", *_sentences(re.sub(r"  \[", " [", said)))


def _prose(text: str) -> Iterator[str]:
    r"""Write paragraphs; one that begins with \b is kept line by line, as click has it."""
    for paragraph in re.split(r"\n\s*\n", textwrap.dedent(text).strip("\n")):
        if not paragraph.strip():
            continue
        if not paragraph.startswith("\b"):
            yield from _paragraph(paragraph)
            continue
        lines = paragraph.removeprefix("\b").strip("\n").splitlines()
        if lines[0] == "Examples:":
            yield from (".PP", lines.pop(0))
        yield from (".PP", ".RS 4", ".nf", *(_literal(line.strip()) for line in lines), ".fi", ".RE")


def _paragraph(text: str) -> Iterator[str]:
    yield from (".PP", *_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    """Write prose, each sentence on lines of its own, as troff wants it."""
    for sentence in re.split(r"(?<=[.:])  +", re.sub(r"\n\s*", " ", text.strip())):
        yield from _wrapped(_inline(sentence))


def _inline(text: str) -> str:
    """Escape prose; what stands in backticks is printed bold."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(
        rf"\fB{_literal(part)}\fR" if number % 2 else _literal(part) for number, part in enumerate(parts)
    )


def _wrapped(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
        yield rf"\&{line}" if line.startswith((".", "'")) else line


def _literal(text: str) -> str:
    """Escape what troff takes for a sign of its own, or prints as another."""
    return "".join(_ESCAPED.get(letter, letter) for letter in text)
