"""Names of files as text that may be shown: whatever they hold, they neither steer a terminal nor break a line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

# Control characters, line and paragraph separators, halves of surrogate pairs; and signs such as U+202E, which make
# a name read backwards.
_HIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}
# They belong to words and to pictures of people, and do no harm.
_JOINERS = "\u200c\u200d"


def show(name: str | Path) -> str:
    """Return a name with every character that would not show written as an escape, such as \\x1b."""
    return clean(str(name), keep="")


def clean(text: str, keep: str = "\n") -> str:
    """Return text with every character that would not show, but for those of `keep`, written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character in keep or not _is_hidden(character) else _escape(character) for character in text
    )


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
