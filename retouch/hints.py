"""Remembers on this machine which hints somebody has read, so that each is given once."""

from __future__ import annotations

from photo.user_folder import find_user_folder


def is_new(hint: str) -> bool:
    """Return whether a hint was never given on this machine; from now on it was.

    Where nothing can be remembered, because no file can be written, every hint stays new.
    """
    try:
        folder = find_user_folder("state")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"told_{hint}").open("x"):
            return True
    except FileExistsError:
        return False
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where the home of this user is
        return True
