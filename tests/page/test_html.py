"""The words of the page: for people who want their photo mended, not for those who made the program."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from edit.reasons import Cause, Reason
from page.html import describe_diffusion, leave_out_flags, say
from page.theme import EDIT_COLOR, KEEP_COLOR, STYLE_SHEET
from retouch.engines import DiffusionState

NUMBERS = ("distance", "least", "most", "degrees", "similarity", "smile", "ratio", "agreement", "photos", "shift")
WORDS = ("name", "text", "engine", "why", "what", "among", "who")
TECHNICAL = re.compile(r"--|\d|aspect ratio|distance|score|pip |resemblance", re.IGNORECASE)


@pytest.mark.parametrize("reason", list(Reason))
def test_reasons_are_told_without_figures_and_flags(reason: Reason) -> None:
    sentence = say(Cause(reason, {**dict.fromkeys(NUMBERS, 0.25), **dict.fromkeys(WORDS, "it")}))
    # What somebody chose, and a count of photos, are no measures.
    sentence = sentence.replace("strength 0", "").replace("in 0 photos", "")
    assert sentence and not TECHNICAL.search(sentence)


def test_only_the_clause_of_the_flag_is_left_out() -> None:
    assert leave_out_flags("Eyes: closed, or not; --eyes always opens it. Mouth: open.") == (
        "Eyes: closed, or not. Mouth: open."
    )
    assert leave_out_flags("taken from a--b.jpg; well-lit") == "taken from a--b.jpg; well-lit"


def test_what_is_not_installed_is_told_without_commands() -> None:
    state = DiffusionState(is_ready=False, has_card=False, why="its packages are not installed; run pip install x.")
    text = describe_diffusion(state)
    assert "not on this computer" in text and not TECHNICAL.search(text)


def test_one_colour_has_one_meaning_wherever_it_is_drawn() -> None:
    sheet = STYLE_SHEET.read_text(encoding="utf-8")
    for name, color in (("edit", EDIT_COLOR), ("keep", KEEP_COLOR)):
        (value,) = re.findall(rf"--{name}: #([0-9a-f]{{6}});", sheet)
        assert tuple(bytes.fromhex(value)) == color
    named = set(re.findall(r"#[0-9a-f]{6}\b", sheet)) & {"#f08c14", "#4b9fe1", "#ffd83d", "#f07814", "#2d7dd2"}
    assert all(sheet.count(value) == 1 for value in named), "elsewhere they go by their meaning"
