"""Says what to do where the machine lacks something that every run needs: a Python package, or a library of the system.

Nothing but Python itself is imported, since it is needed where nothing else is there.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that the program runs from."""

# Where Debian and Ubuntu keep the libraries that OpenCV takes from the system, by the beginnings of their names.
_LIBRARY_PACKAGES = {"libGL.": "libgl1", "libglib-": "libglib2.0-0", "libgthread-": "libglib2.0-0"}


def explain_missing_package(name: str, root: Path = ROOT, windows: bool = os.name == "nt") -> str:
    """Return what to do where Python lacks the package `name`, one that every run needs, without a full stop.

    Mostly it is installed, but in the environment `.venv` in the folder `root`, which is not active. Packages that
    only Stable Diffusion or the page needs are not for here: those say themselves what to install.
    """
    here = Path.cwd() == root
    environment = Path(".venv") if here else root / ".venv"
    if Path(sys.prefix).resolve() == (root / ".venv").resolve():
        requirements = "requirements_draft.txt" if here else str(root / "requirements_draft.txt")
        return f"{environment} lacks the package {name}; run: pip install -r {_quote(requirements, windows)}"
    activate = f"{environment}\\Scripts\\activate" if windows else f"{environment}/bin/activate"
    activate = ("" if windows else "source ") + _quote(activate, windows)
    if (root / ".venv").is_dir():
        return f"this Python lacks the package {name}; activate the program's environment first: {activate}"
    if windows:
        steps = f"python -m venv .venv, then {activate}, then pip install -r requirements_draft.txt"
    else:
        steps = f"make {'' if here else f'-C {shlex.quote(str(root))} '}demo, and after that {activate}"
    return f"this Python lacks the package {name}; make the program's environment first: {steps}"


def find_missing_library(error: ImportError) -> str:
    """Return the shared library that Linux could not load for a package, such as libGL.so.1, or an empty text."""
    found = re.match(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file", str(error))
    return found[1] if found else ""


def explain_missing_library(library: str) -> str:
    """Return what to do where the system lacks a shared library."""
    packages = (package for start, package in _LIBRARY_PACKAGES.items() if library.startswith(start))
    package = next(packages, None)
    if package is None:
        return f"this system lacks the library {library}; install the package of your system that holds it."
    return f"this system lacks the library {library}; on Debian or Ubuntu run: sudo apt-get install {package}"


def _quote(path: str, windows: bool) -> str:
    """As a shell takes it."""
    if windows:
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)
