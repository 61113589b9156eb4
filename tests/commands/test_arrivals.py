"""A folder that is watched: a photo counts once it is written to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.arrivals import wait_for_photos


class Clock:
    """Time that passes only while somebody sleeps; at each of these seconds something happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.events: dict[float, list[tuple[Path, bytes]]] = {}
        monkeypatch.setattr("commands.arrivals.time.monotonic", lambda: self.now)
        monkeypatch.setattr("commands.arrivals.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 200, "nothing came of it"
        for path, more in self.events.pop(self.now, []):
            with path.open("ab") as file:
                file.write(more)


def test_a_photo_that_is_still_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    there, growing = tmp_path / "a.jpg", tmp_path / "b.jpg"
    there.write_bytes(b"whole")
    clock.events = {101.0 + second: [(growing, b"some")] for second in range(5)}
    known: set[Path] = set()
    found: list[tuple[float, set[Path]]] = []
    for ready in wait_for_photos(lambda: sorted(tmp_path.iterdir()), known.__contains__):
        found.append((clock.now, ready))
        known |= ready
        if growing in ready:
            break
    assert [ready for _, ready in found] == [{there}, {growing}]
    assert found[0][0] == 102.0 and found[1][0] >= 107.0
    assert growing.read_bytes() == b"some" * 5


def test_a_photo_that_vanishes_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    (tmp_path / "b.jpg").write_bytes(b"whole")
    listed = [tmp_path / "gone.jpg", tmp_path / "b.jpg"]
    assert next(wait_for_photos(lambda: listed, lambda _: False)) == {tmp_path / "b.jpg"}
