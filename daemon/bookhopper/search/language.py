"""Languages as people and catalogues write them, made into BCP 47 tags."""

from __future__ import annotations

from functools import lru_cache

_NAMES = {
    "arabic": "ar", "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "czech": "cs", "danish": "da",
    "dutch": "nl", "english": "en", "esperanto": "eo", "estonian": "et", "finnish": "fi", "french": "fr",
    "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "icelandic": "is",
    "indonesian": "id", "irish": "ga", "italian": "it", "japanese": "ja", "korean": "ko", "latin": "la",
    "latvian": "lv", "lithuanian": "lt", "norwegian": "no", "persian": "fa", "polish": "pl",
    "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr", "slovak": "sk",
    "slovenian": "sl", "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk",
    "vietnamese": "vi", "welsh": "cy",
    "deutsch": "de", "español": "es", "français": "fr", "italiano": "it", "nederlands": "nl",
    "português": "pt", "svenska": "sv", "suomi": "fi", "dansk": "da", "polski": "pl", "русский": "ru",
}  # fmt: skip
"""English names and some own ones: catalogues that write a name instead of a tag mostly write these."""

_TAGS = frozenset(_NAMES.values())
_NO_LANGUAGE = frozenset({"", "und", "mis", "mul", "zxx", "none", "unknown"})


@lru_cache(maxsize=1024)
def language_tag(text: str) -> str:
    """Give the shortest tag for a language; empty for what names none.

    `ger`, `deu`, `de-AT` and `German` are `de`; a script is kept where it tells readers apart (`zh-Hant`).
    """
    plain = text.strip().replace("_", "-").lower()
    if plain in _NO_LANGUAGE or len(plain) > 64:
        return ""
    if plain in _TAGS:
        return plain
    if plain in _NAMES:
        return _NAMES[plain]
    import langcodes  # noqa: PLC0415 - 30 ms and 3 MiB that a daemon of plain `en` need not pay for

    try:
        language = langcodes.get(plain)
    except ValueError:  # its parser's error is one
        return ""
    code = language.language or ""
    if not language.is_valid() or code in _NO_LANGUAGE or not code.isalpha():
        return ""
    return f"{code}-{language.script}" if language.script else code


def same_language(wanted: str, offered: str) -> bool:
    """Tell whether a book in `offered` serves a reader of `wanted`; scripts count where both name one."""
    if wanted == offered:
        return True
    plain, _, script = wanted.partition("-")
    other, _, other_script = offered.partition("-")
    return plain == other and (not script or not other_script)
