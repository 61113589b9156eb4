"""The folders in which a program keeps files of its own for a user, where each system has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from photo.tool import NAME

# On Linux, for each kind of file, the variable that names the folder, and where it is without it.
_LINUX = {
    "state": ("XDG_STATE_HOME", Path(".local", "state")),
    "data": ("XDG_DATA_HOME", Path(".local", "share")),
}


def find_user_folder(kind: str) -> Path:
    """Return the folder for "state", which may be lost, or for "data"; it need not be there.

    Raises RuntimeError where nobody knows the home of this user.
    """
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Application Support"
    else:
        variable, below_home = _LINUX[kind]
        place = os.environ.get(variable) or Path.home() / below_home
    return Path(place) / NAME
