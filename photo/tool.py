"""The name and the version of this program."""

from __future__ import annotations

from pathlib import Path

NAME = "open-eyes"


_ROOT = Path(__file__).resolve().parents[1]


def read_version(root: Path = _ROOT) -> str:
    """Return the program's version, such as 0.2.0, from the one place where it is written: pyproject.toml in `root`.

    Raises OSError when it cannot be read.
    """
    import tomllib

    version: str = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version
