"""The name and the password that visitors of the page must give, and where they are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from photo.errors import BadOption

VARIABLE = "OPEN_EYES_AUTH"
"""The variable of the environment that may hold NAME:PASSWORD."""


def find_login(
    flag: tuple[str, str] | None, file: Path | None, environment: Mapping[str, str], ask: Callable[[str], str] | None
) -> tuple[str, str] | None:
    """Return the name and the password that visitors must give; None where anybody may come.

    They come from `flag`, where an empty password is asked for with `ask` (None: there is nobody to ask), else from
    `file`, else from `environment`. Raises BadOption.
    """
    if flag is not None and file is not None:
        raise BadOption("--auth and --auth_file do not go together; name one of them.")
    if flag is not None:
        name, password = flag
        if password:
            return flag
        if ask is None:
            raise BadOption(f"--auth {name}: asks for the password, and there is no terminal; use --auth_file.")
        password = ask(f"Password of {name} for the page: ")
        if not password:
            raise BadOption("The password is empty; name one.")
        return name, password
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadOption(f"{file} cannot be read; --auth_file takes a file with NAME:PASSWORD in it.") from error
        return _split(lines[0] if lines else "", f"The first line of {file}")
    if environment.get(VARIABLE):
        return _split(environment[VARIABLE], f"The variable {VARIABLE}")
    return None


def _split(text: str, where: str) -> tuple[str, str]:
    name, _, password = text.strip().partition(":")
    if not (name and password):
        raise BadOption(f"{where} holds no name and password with a colon between them.")
    return name, password
