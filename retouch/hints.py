"""Remembers on this machine which hints somebody has read, so that each is given once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from photo.tool import NAME


def is_new(hint: str) -> bool:
    """Return whether a hint was never given on this machine; from now on it was.

    Where nothing can be remembered, because no file can be written, every hint stays new.
    """
    try:
        folder = _find_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"told_{hint}").open("x"):
            return True
    except FileExistsError:
        return False
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where the home of this user is
        return True


def _find_folder() -> Path:
    """The folder of what a program remembers for a user, where the system has it."""
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Application Support"
    else:
        place = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(place) / NAME
