"""A parser of the command line that says what is wrong in one sentence, and the types of its arguments."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NoReturn

from edit.flags import list_flags
from edit.options import Wish
from photo.names import show

# What argparse says of the value of a flag, and how people say it.
_PLAINLY = (
    (r"invalid float value: (.*)", r"takes a number, not \1"),
    (r"invalid int value: (.*)", r"takes a whole number, not \1"),
    (r"invalid choice: (.*) \(choose from (.*)\)", r"takes one of \2, not \1"),
    (r"expected one argument", "needs a value"),
    (r"expected at least one argument", "needs one value or more"),
    (r"expected (\d+) arguments", r"needs \1 values"),
)

BAD_USAGE = 2
"""The exit code when the input or a flag is wrong."""


class Parser(argparse.ArgumentParser):
    """An argument parser that takes photos and flags in any order, and leaves none that is unknown."""

    def error(self, message: str) -> NoReturn:
        """End the program with one sentence."""
        self.exit(BAD_USAGE, f"error: {show(_say_plainly(message))} (--help lists every option)\n")

    def read(self, arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, set[str]]:
        """Return the values of all arguments, and the names of those that were given, without dashes.

        What was given may have its default value all the same. A mistake ends the program.
        """
        parsed, unknown = self.parse_known_intermixed_args(arguments)
        if unknown:
            self.error(self._explain_unknown(unknown[0]))
        nothing = argparse.Namespace(**{action.dest: None for action in self._actions})
        given, _ = self.parse_known_args(arguments, nothing)
        return parsed, {name for name, value in vars(given).items() if value is not None}

    def _explain_unknown(self, word: str) -> str:
        """What is wrong with a flag that there is not."""
        wrong = word.partition("=")[0]
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        # As people write them: a dash or an underscore, small letters or capitals, one dash or two.
        alike = {_simplify(name): name for name in known}
        near = difflib.get_close_matches(_simplify(wrong), alike, n=1)
        return f"there is no flag {wrong}; did you mean {alike[near[0]]}?" if near else f"there is no flag {wrong}"


def add_options(group: argparse._ArgumentGroup, options: type[object]) -> None:
    """Add the flag of every field of a dataclass; a wish has a second flag that says never."""
    for _, flag, default in list_flags(options):
        text = flag.describe(default)
        if isinstance(default, bool):
            group.add_argument(flag.name, action="store_true", help=text)
            continue
        is_wish = isinstance(default, Wish)
        group.add_argument(
            flag.name, type=flag.read, default=default, choices=flag.choices or None, metavar=flag.placeholder,
            nargs="?" if is_wish else None, const=Wish.AUTO if is_wish else None, help=text,
        )  # fmt: skip
        if is_wish:
            never = flag.name.replace("--", "--no-", 1)
            group.add_argument(
                never, dest=flag.dest, action="store_const", const=Wish.NEVER, default=default,
                help=f"the same as {flag.name} never",
            )  # fmt: skip


def read_name(text: str) -> str:
    """Return the name of a file as it was written, with the slash at its end."""
    if not text.strip():
        raise argparse.ArgumentTypeError("names no file")
    return text


def read_path(text: str) -> Path:
    """Return the path of a file or folder."""
    return Path(read_name(text))


def read_burst(text: str) -> Path | Literal["auto"]:
    """Return the folder of a burst, or `auto` where bursts are to be found; a folder of that name is ./auto."""
    return "auto" if text == "auto" else read_path(text)


def read_ending(text: str) -> str:
    """Return the ending of a file name in small letters and without its dot."""
    return text.strip().lower().removeprefix(".")


def read_count(text: str) -> int:
    """Return a number from 1 to 64."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a number from 1 to 64, not {text!r}")


def read_port(text: str) -> int:
    """Return the number of a port, 1 … 65535."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a port between 1 and 65535, not {text!r}")


def read_name_and_password(text: str) -> tuple[str, str]:
    """Return a name and a password out of NAME:PASSWORD; an empty password is asked for later."""
    name, colon, password = text.partition(":")
    if not (name and colon):
        raise argparse.ArgumentTypeError("takes a name and a password with a colon between them")
    return name, password


def _say_plainly(message: str) -> str:
    """What argparse complains of, as a sentence about the flag."""
    flag, _, complaint = message.removeprefix("argument ").partition(": ")
    if not message.startswith("argument ") or not complaint:
        return message
    for technical, plain in _PLAINLY:
        if match := re.fullmatch(technical, complaint):
            complaint = match.expand(plain)
    # Of several names of a flag the first long one is known best.
    name = next((name for name in flag.split("/") if name.startswith("--")), flag)
    return f"{name} {complaint}"


def _simplify(flag: str) -> str:
    return flag.lower().lstrip("-").replace("-", "_")
