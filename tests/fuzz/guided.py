"""Targets under atheris, one after the other: `python -m tests.fuzz.guided FOLDER TARGET… [-OPTION=…]`.

libFuzzer takes the options (`-max_total_time=60`, `-runs=100000`) and ends its process with the first find.
So each target has a process of its own, forked when all is imported; its corpus grows in `FOLDER/TARGET`,
what it said is left in `FOLDER/TARGET.log`, whose first line is its exit status.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["bookhopper", "pypdf", "zipfile", "soupsieve", "email", "http", "starlette", "h11"]
):
    # whatever is imported in here tells atheris which way it went
    from tests.fuzz.mutations import HOSTILE
    from tests.fuzz.target import Target, attempt
    from tests.fuzz.targets import named


def main() -> None:
    """Run every target that the command line names until an option's bound, or until something is found."""
    folder, *rest = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    options = [word for word in rest if word.startswith("-")]
    for name in (word for word in rest if not word.startswith("-")):
        target = named(name)
        corpus = Path(folder, target.name.replace(" ", "-"))
        corpus.mkdir(parents=True, exist_ok=True)
        told = corpus.with_name(f"{corpus.name}.told")
        child = os.fork()
        if not child:
            _speak_into(told)
            _fuzz(target, corpus, options)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        corpus.with_name(f"{corpus.name}.log").write_bytes(b"%d\n" % status + told.read_bytes())
        told.unlink()


def _speak_into(path: Path) -> None:
    """Send what this process says, libFuzzer's words included, into a file."""
    with path.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def _fuzz(target: Target, corpus: Path, options: list[str]) -> None:
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    words = corpus.with_name(f"{corpus.name}.dict")
    hostile = (word for word in (*HOSTILE, *target.words) if len(word) <= 64)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in hostile))
    with target.opened() as case:
        arguments = [f"-max_len={target.max_bytes}", f"-dict={words}", *options, str(corpus)]
        atheris.Setup([sys.argv[0], *arguments], lambda data: attempt(target, case, data))
        atheris.Fuzz()  # which ends the process


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
