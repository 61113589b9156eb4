"""The flag of one field of the options: its name, help and range.

Parser, checks and docs are all made from it, so they always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from photo.errors import BadOption

_KEY = "flag"


@dataclass(frozen=True)
class Rule:
    """A condition on a value beside its range: `holds` returns whether it is met.

    `complaint` follows the name of the flag in the error otherwise; `{value}` in it stands for the value.
    """

    holds: Callable[[Any], bool]
    complaint: str


@dataclass(frozen=True)
class Flag:
    """The command-line flag of one field, and the values it takes; None, where the field allows it, is always valid.

    `read` converts an argument of the command line and raises ValueError or argparse.ArgumentTypeError. `between` is
    the smallest and the largest number, both allowed; `choices` are the only values; `rule` is any other condition.
    `unset` describes the effect of None, in the help. `metavar` stands for the value in the help.
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
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def placeholder(self) -> str | None:
        """The placeholder of the value in the help; None leaves it to the parser."""
        return self.metavar or (f"{self.between[0]}-{self.between[1]}" if self.between else None)

    @property
    def field_metadata(self) -> Mapping[str, Flag]:
        """The metadata of the dataclass field that this flag sets."""
        return {_KEY: self}

    def describe(self, default: object) -> str:
        """Return the help text, with the default."""
        shown = self.unset if default is None else "" if isinstance(default, bool) else str(default)
        return f"{self.help} (default: {shown})" if shown else self.help

    def check(self, value: Any, subject: str = "") -> None:
        """Raise BadOption, with a sentence about `subject` or else about the flag, when `value` is not valid."""
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
    """Yield field name, flag and default of each field with a flag; `group` is a dataclass or an instance of one."""
    for field in fields(group):
        if _KEY in field.metadata:
            yield field.name, field.metadata[_KEY], field.default


def find_flag(group: Any, name: str) -> Flag:
    """Return the flag of one field of a dataclass."""
    return next(flag for field, flag, _ in list_flags(group) if field == name)


def check_flags(group: Any) -> None:
    """Raise BadOption when a field of a dataclass instance has a value that its flag does not take."""
    for name, flag, _ in list_flags(group):
        flag.check(getattr(group, name))
