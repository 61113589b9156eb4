"""What can go wrong and be mended by the user: each error is one sentence for them, and exit code 2."""

from __future__ import annotations


class FixError(Exception):
    """Base class of all errors that the user can mend; its text is one clear sentence for them."""


class UnreadablePhoto(FixError):
    """An input photo is missing, damaged, too large, or of a kind that cannot be read."""


class UnwritablePhoto(FixError):
    """A file cannot be written at the path, or in the format, that the user gave."""


class BadOption(FixError):
    """An option has a value outside its range, or one that does not suit the photo."""


class MissingPackage(FixError):
    """A Python package that the chosen engine needs is not installed."""


class MissingModel(FixError):
    """A model file that the program needs is not there or is damaged."""


class NotEnoughMemory(FixError):
    """The device cannot hold even the smallest piece of the work."""
