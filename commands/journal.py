"""The journal of a run over many photos: what is done, what failed and why, so that a run that was stopped goes on.

It is a file of JSON lines in the folder of results. A line is on the disk before the next photo is begun; a line that
was cut off by a power cut counts as not written. A run that ended well takes its journal with it, one in which photos
failed leaves it for `--retry_failed`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from photo.errors import BadOption, UnwritablePhoto
from photo.names import show
from photo.writing import Originals, check_writable, explain_write_errors, write_whole

NAME = "open_eyes_journal.jsonl"
"""What the journal is called in the folder of results."""

_HEAD, _VERSION = "open_eyes_journal", 1
_FLAG = "the journal"

Entry = Mapping[str, Any]


class Journal:
    """The journal in a folder of results, of a run with these settings.

    `settings` is a text that differs wherever results would. With `retry_failed` photos that failed are tried again,
    also those of a run that came to its end. Raises BadOption where there is no journal to retry from, or another run
    is writing it, and UnwritablePhoto.
    """

    def __init__(self, folder: Path, settings: str, originals: Originals, *, retry_failed: bool) -> None:
        self.path = folder / NAME
        self._settings, self._originals = settings, originals.but_never_by(_FLAG)
        self._file: int | None = None
        self._lines: dict[str, dict[str, Any]] = {}
        head, lines = self._read()
        is_over = any(line.get("ended") for line in lines)
        if retry_failed:
            self._check_retry(head)
        if head.get("settings") == settings and (retry_failed or not is_over):
            self._lines = {line["input"]: line for line in lines if "input" in line}
            if retry_failed:
                self._lines = {key: line for key, line in self._lines.items() if "error" not in line["entry"]}
        if head:
            self._open(self._lines)

    def find(self, source: Path) -> Entry | None:
        """Return the entry of a photo that is done, or has failed; None where it is still to be done.

        A photo that was changed since is to be done, and so is one whose result is gone or was changed.
        """
        line = self._lines.get(_key(source))
        if line is None or line["photo"] != _identify(source):
            return None
        entry: Entry = line["entry"]
        output = entry.get("output")
        if output is not None and line["result"] != _identify(Path(output)):
            return None
        return entry

    def note(self, source: Path, entry: Entry) -> None:
        """Write down what came of a photo. Raises UnwritablePhoto."""
        output = entry.get("output")
        key = _key(source)
        line = {
            "input": key,
            "photo": _identify(source),
            "result": None if output is None else _identify(Path(output)),
            "entry": dict(entry),
        }
        if self._file is None:
            self._open({})
        self._append(line)
        self._lines[key] = line

    def close(self, *, is_stopped: bool) -> None:
        """End the journal: a run that was stopped is to go on; one without failures leaves none."""
        if self._file is None:
            return
        has_failed = any("error" in line["entry"] for line in self._lines.values())
        if not is_stopped and has_failed:
            self._append({"ended": True})
        os.close(self._file)
        self._file = None
        if not is_stopped and not has_failed:
            with explain_write_errors(self.path):
                self.path.unlink(missing_ok=True)

    def _check_retry(self, head: Mapping[str, Any]) -> None:
        if not head:
            raise BadOption(
                f"--retry_failed finds no journal in {show(self.path.parent)}: no photo has failed there, or the "
                "results went elsewhere."
            )
        if head["settings"] != self._settings:
            raise BadOption("--retry_failed goes on with a run that had other flags; give the same ones.")

    def _read(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The first line and the others that are whole; nothing where there is no journal. Raises UnwritablePhoto."""
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}, []
        except OSError as error:
            raise UnwritablePhoto(f"{self.path} cannot be read; move it away to begin anew.") from error
        lines = []
        for text in content.splitlines():
            with suppress(ValueError):
                line = json.loads(text)
                lines.append(line if isinstance(line, dict) else {})
        if not lines or lines[0].get(_HEAD) != _VERSION:
            raise UnwritablePhoto(f"{self.path} is no journal of this program; move it away or name another folder.")
        return lines[0], [
            line for line in lines[1:] if {"input", "photo", "result", "entry"} <= set(line) or "ended" in line
        ]

    def _open(self, lines: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin the file anew with what is known, and keep it open."""
        check_writable(self.path, Originals(self._originals.photos, overwrite=True, never=_FLAG))
        self._check_free()
        texts = [json.dumps(line) for line in ({_HEAD: _VERSION, "settings": self._settings}, *lines.values())]
        data = "".join(f"{text}\n" for text in texts).encode("ascii")
        write_whole(self.path, data, Originals(self._originals.photos, overwrite=True, never=_FLAG))
        with explain_write_errors(self.path):
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            _lock(self._file)

    def _check_free(self) -> None:
        """Raise BadOption where another run has the journal open."""
        with explain_write_errors(self.path):
            try:
                file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:
                return
            try:
                if not _lock(file):
                    folder = show(self.path.parent)
                    raise BadOption(
                        f"Another run is writing results into {folder}; wait for it, or name another folder."
                    )
            finally:
                os.close(file)

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        with explain_write_errors(self.path):
            os.write(self._file, (json.dumps(line) + "\n").encode("ascii"))
            os.fsync(self._file)


def _key(source: Path) -> str:
    return os.path.realpath(source)


def _identify(path: Path) -> list[int] | None:
    """Size and time of change of a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _lock(file: int) -> bool:
    """Lock an open file for this process, and return whether no other one has; none has where locks are unknown."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


if sys.platform != "win32":
    import fcntl
