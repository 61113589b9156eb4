"""What belongs to one field of the options: its flag, its help, its range.

Parser, checks and docs are all made from it, so none of them can say what the others do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from photo.errors import BadOption

_KEY = "flag"


@dataclass(frozen=True)
class Rule:
    """What a value must be beyond its range: `holds` says whether it is.

    `complaint` follows the name of the flag where it is not; `{value}` in it stands for the value.
    """

    holds: Callable[[Any], bool]
    complaint: str


@dataclass(frozen=True)
class Flag:
    """How the command line calls one field, and which values it takes; None, where the field allows it, is always one.

    `read` turns a word of the command line into the value and raises ValueError or argparse.ArgumentTypeError.
    `between` are the least and the largest number, `choices` the only values, `rule` is what else must hold. `unset`
    says what happens when the value is None. `metavar` stands for the value in the help.
    """

    name: str
    help: str
    read: Callable[[str], Any] = str
    between: tuple[int, int] | None = None
    choices: tuple[Any, ...] = ()
    rule: Rule | None = None
    unset: str = ""
    metavar: str = ""

    @property
    def dest(self) -> str:
        """The name under which the parser keeps the value."""
        return self.name.removeprefix("--")

    @property
    def placeholder(self) -> str | None:
        """What stands for the value in the help; None leaves it to the parser."""
        return self.metavar or (f"{self.between[0]}-{self.between[1]}" if self.between else None)

    @property
    def field_metadata(self) -> Mapping[str, Flag]:
        """The metadata of the dataclass field that this flag sets."""
        return {_KEY: self}

    def describe(self, default: object) -> str:
        """The help, with what counts when the flag is not given."""
        usual = self.unset if default is None else "" if isinstance(default, bool) else str(default)
        return f"{self.help} (default: {usual})" if usual else self.help

    def check(self, value: Any, subject: str = "") -> None:
        """Raise BadOption, with a sentence about `subject` or else about the flag, when it cannot be the value."""
        if value is None:
            return
        subject = subject or self.name
        shown = f"{value:g}" if isinstance(value, float) else repr(value)
        if self.choices and value not in self.choices:
            raise BadOption(f"{subject} must be one of {', '.join(map(str, self.choices))}, not {shown}.")
        if self.between is not None and not self.between[0] <= value <= self.between[1]:
            raise BadOption(f"{subject} must lie between {self.between[0]} and {self.between[1]}, not {shown}.")
        if self.rule is not None and not self.rule.holds(value):
            raise BadOption(f"{subject} {self.rule.complaint.format(value=shown)}")


def list_flags(group: Any) -> Iterator[tuple[str, Flag, Any]]:
    """Field name, flag and default of each field with a flag; `group` is a dataclass or an object of one."""
    for field in fields(group):
        if _KEY in field.metadata:
            yield field.name, field.metadata[_KEY], field.default


def find_flag(group: Any, name: str) -> Flag:
    """The flag of one field of a dataclass."""
    return next(flag for field, flag, _ in list_flags(group) if field == name)


def check_flags(group: Any) -> None:
    """Raise BadOption when a field of a dataclass object holds what its flag does not take."""
    for name, flag, _ in list_flags(group):
        flag.check(getattr(group, name))
