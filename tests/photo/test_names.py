"""Names of files are shown as they are, but for what would steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photo.names import clean, show


@pytest.mark.parametrize(
    "name", ["holiday/IMG 3.jpg", "Weihnacht übergroß.tif", "写真.png", "👨\u200d👩\u200d👧.jpg", ""]
)
def test_an_ordinary_name_is_shown_as_it_is(name: str) -> None:
    assert show(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("bad\udcff.png", r"bad\udcff.png"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_does_not_show_is_escaped(name: str, shown: str) -> None:
    assert show(name) == shown


@given(st.text())
def test_nothing_steers_a_terminal_any_more(text: str) -> None:
    for shown, allowed in ((show(text), ""), (clean(text), "\n")):
        assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]
        shown.encode()
