"""A hint is given once on a machine, and always where that cannot be remembered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from retouch.hints import is_new


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's programs remember things."""
    folder = tmp_path / "state"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def test_a_hint_is_new_once(state: Path) -> None:
    assert [is_new("one"), is_new("one"), is_new("other")] == [True, False, True]
    assert len(list(state.rglob("told_*"))) == 2


def test_where_nothing_can_be_remembered_it_stays_new(state: Path) -> None:
    state.write_text("a file where the folder should be")
    assert is_new("one") and is_new("one")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_without_a_word_of_the_system_it_is_below_the_home(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert is_new("one") and not is_new("one")
    assert list(tmp_path.rglob("told_one"))


def test_a_user_without_a_home_gets_the_hint(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", find)
    assert is_new("one") and is_new("one") and not state.exists()
