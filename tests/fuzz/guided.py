"""One target under atheris, in a process of its own: `python -m tests.fuzz.guided TARGET FOLDER OPTIONS…`.

libFuzzer reads and grows the corpus in FOLDER and takes the options (`-max_total_time=60`, `-runs=100000`).
Its process ends with the first find, the input of which it leaves behind.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path

import atheris

_INSTRUMENTED = ["bookhopper", "pypdf", "zipfile", "soupsieve", "email", "http", "starlette", "h11"]


def main() -> None:
    """Run until an option's bound is reached or something is found."""
    name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=_INSTRUMENTED):
        # whatever is imported in here tells atheris which way it went
        from tests.fuzz.mutations import HOSTILE  # noqa: PLC0415
        from tests.fuzz.target import attempt  # noqa: PLC0415
        from tests.fuzz.targets import named  # noqa: PLC0415

    logging.disable(logging.CRITICAL)
    target = named(name)
    corpus = Path(folder)
    for seed in target.seeds():
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    words = corpus.with_suffix(".dict")
    words.write_text(
        "".join(f'"{_escaped(word)}"\n' for word in (*HOSTILE, *target.words) if len(word) <= 64)
    )
    with target.opened() as case:
        atheris.Setup(
            [sys.argv[0], f"-max_len={target.max_bytes}", f"-dict={words}", *options, folder],
            lambda data: attempt(target, case, data),
        )
        atheris.Fuzz()  # which ends the process


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
