"""Cases made of seeds: cut, doubled, spliced, and with hostile bytes put in."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.target import Target

HOSTILE = (
    b"\r\n", b"\r\nX-Injected: yes\r\n", b"\n", b"\0", b"\x1b[31m", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x93\x9a", b"\xcc\x81" * 40,
    b"../" * 6, b"..\\..\\", b"/etc/passwd", b"%2e%2e%2f", b"%00", b"%0d%0a", b"file:///etc/passwd", b"C:\\",
    b"http://127.0.0.1/", b"http://[::1]/", b"http://user:pa55@10.0.0.1/", b"\\\\host\\share", b"javascript:",
    b"&lol;", b"<!DOCTYPE x [<!ENTITY lol SYSTEM 'file:///etc/passwd'>]>", b"<![CDATA[", b"&#0;", b"&#xD800;",
    b"&a *a", b"!!python/object/apply:os.system", b"{{", b"${jndi:x}", b"'; DROP TABLE jobs; --", b"=1+1",
    b"-1", b"0", b"9" * 25, b"1e999", b"NaN", b"Infinity", b"[" * 300, b"(" * 300, b"<a>" * 200, b"\t" * 200,
    b"a" * 3000, "\u0661\u0662\u0663".encode(), "\u00b2".encode(), b"aux", b"CON.epub", b"." * 300,
)  # fmt: skip
"""What input is often broken with: line ends, paths, addresses, entities, numbers, depth, length."""

_PLACE = st.floats(0, 1)
_KINDS = ("put", "set", "cut", "drop", "double", "splice", "zero")


def cases(target: Target, seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Give a target's cases: its seeds as they are changed, and now and then bytes from nowhere."""
    words = st.sampled_from([*HOSTILE, *target.words, *seeds]) | st.binary(max_size=12)
    change = st.tuples(st.sampled_from(_KINDS), _PLACE, _PLACE, words)
    grown = st.tuples(st.sampled_from(seeds), st.lists(change, max_size=4)).map(_changed)
    whole = st.one_of(grown, grown, grown, st.lists(words, max_size=6).map(b"".join))
    return whole.map(lambda case: case[: target.max_bytes])


def _changed(made: tuple[bytes, list[tuple[str, float, float, bytes]]]) -> bytes:
    case, changes = made
    for kind, where, until, word in changes:
        case = mutated(case, kind, where, until, word)
    return case


def mutated(content: bytes, kind: str, where: float, until: float, word: bytes) -> bytes:
    """Change bytes in one way; places are parts of its length, from 0 to 1."""
    start, end = sorted((int(where * len(content)), int(until * len(content))))
    match kind:
        case "put":
            return content[:start] + word + content[start:]
        case "set":
            return content[:start] + word + content[start + len(word) :]
        case "cut":
            return content[:end]
        case "drop":
            return content[:start] + content[end:]
        case "double":
            return content[:end] + content[start:end] * 3 + content[end:]
        case "splice":
            return content[:start] + word[len(word) // 2 :] + content[end:]
        case _:
            return content[:start] + bytes(min(end - start, 64)) + content[end:]
