"""What can go wrong and be mended by the user: each error is one sentence for them, and exit code 2."""

from __future__ import annotations


class FixError(Exception):
    """Something the user can mend; its text is one clear sentence for them."""


class UnreadablePhoto(FixError):
    """The input is missing, is no picture, or is damaged."""


class UnwritablePhoto(FixError):
    """The output cannot be written where or as the user asked."""


class BadOption(FixError):
    """An option has a value that makes no sense."""


class MissingPackage(FixError):
    """A Python package that the chosen engine needs is not installed."""


class MissingModel(FixError):
    """A model file that the program needs is not there or is damaged."""


class NotEnoughMemory(FixError):
    """The device cannot hold even the smallest piece of the work."""
