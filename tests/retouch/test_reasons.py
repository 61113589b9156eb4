"""Every reason has a sentence, and the sentence has what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from donor.people import ReferencePhoto, read_reference
from edit.options import EyeOptions, FaceChoice, Options, SmileOptions, Wish
from edit.plan import EditPlan, PaintResult
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from photo.canvas import Canvas
from photo.types import Photo, Pixels, Progress
from retouch import report
from retouch.engines import DraftEngine
from retouch.pipeline import analyze_photo, fix_photo
from retouch.report import explain
from tests.conftest import LoadPhoto
from tests.support.donor_photos import make_moments

WHY = Cause(Reason.THERE_BLURRED, {"name": "beach.jpg"})
NAME = {"name": "beach.jpg"}
VALUES: Mapping[Reason, Mapping[str, float | str | Cause]] = {
    Reason.SWITCHED_OFF: {"what": "opening eyes"},
    Reason.TOO_SMALL: {"distance": 11.6, "least": 24.0},
    Reason.TURNED_AWAY: {"degrees": 51.2},
    Reason.DONOR_EYE_NOT_OPEN: NAME,
    Reason.IDENTITY_LOST: {"similarity": 0.512},
    Reason.PAINTER_FAILED: {"text": "the picture was empty"},
    Reason.DRAFT_KEPT: {"engine": "stable-diffusion", "why": WHY},
    Reason.NOTHING_FROM: {"what": "nothing", "among": "the reference photos", "why": WHY},
    Reason.DROPPED: {"name": "beach.jpg", "why": WHY, "what": ""},
    Reason.KNOWN_COLOR: {"who": "Ada", "photos": 31.0},
    Reason.NO_DONOR_KNOWN_COLOR: {"who": "Ada", "photos": 31.0, "why": WHY},
    Reason.NOBODY_ALIKE: {"distance": 1.234, "most": 0.95},
    Reason.THERE_EYES_CLOSED: NAME,
    Reason.THERE_EYES_CUT_OFF: NAME,
    Reason.THERE_NO_SMILE: {**NAME, "smile": 0.123},
    Reason.THERE_MOUTH_CUT_OFF: NAME,
    Reason.THERE_LOOKS_AWAY: NAME,
    Reason.THERE_TURNED: {**NAME, "degrees": 21.4},
    Reason.THERE_TOO_SMALL: {**NAME, "ratio": 0.31},
    Reason.THERE_TOO_PALE: NAME,
    Reason.THERE_BLURRED: NAME,
    Reason.THERE_LOOKS_DIFFERENT: {**NAME, "agreement": 0.51, "least": 0.6},
}
"""What goes into the sentences that tell more than the reason itself."""


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_a_sentence_with_all_its_values(reason: Reason) -> None:
    sentence = report._SENTENCES[reason]
    named = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    values = VALUES.get(reason, {})
    assert named == set(values)
    words = explain(Cause(reason, values))
    assert words and not re.search(r"[{}]|Cause|Reason", words)
    assert words[0].islower() and not words.endswith("."), "it stands within a sentence"
    for value in values.values():
        if isinstance(value, str):
            assert value in words
        elif isinstance(value, Cause):
            assert explain(value) in words


def test_reasons_have_a_code_and_a_sentence_of_their_own() -> None:
    assert set(report._SENTENCES) == set(Reason)
    assert len(set(report._SENTENCES.values())) == len(Reason)
    codes = [reason.value for reason in Reason]
    assert len(set(codes)) == len(codes) and all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in codes)


def test_without_its_value_a_sentence_is_an_error() -> None:
    with pytest.raises(KeyError):
        explain(Cause(Reason.TURNED_AWAY))


class PaintNothing:
    name = "nothing"

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        return PaintResult(tuple(canvas.original[edit.region.box.slices] for edit in plan.edits))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Cause]:
    """Every cause that is made from here on."""
    causes: list[Cause] = []
    make = Cause.__init__

    def record(self: Cause, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        causes.append(self)

    monkeypatch.setattr(Cause, "__init__", record)
    return causes


def check(made: list[Cause], *expected: Reason) -> None:
    """All that were made can be said, with numbers as numbers, and those expected are among them."""
    for cause in made:
        assert set(cause.values) == set(VALUES.get(cause.reason, {})), cause
        assert explain(cause)
    assert {cause.reason for cause in made} >= set(expected)


NO_SMILE = SmileOptions(Wish.NEVER)


def test_what_is_left_alone_on_the_samples_can_be_said(made: list[Cause], sample: LoadPhoto) -> None:
    for name in ("image_1.jpg", "image_2.jpg", "image_3.jpg", "image_4.jpg"):
        for options in (
            Options(),
            Options(faces=(1,)),
            Options(eyes=EyeOptions(Wish.NEVER), smile=SmileOptions(strength=0)),
            Options(smile=NO_SMILE, choices={1: FaceChoice(eyes=Wish.NEVER)}),
        ):
            analyses, plan = analyze_photo(Photo(sample(name)), options)
            made += [skip.cause for skip in plan.skips]  # some are made when their module is imported
            assert report.describe_analysis(analyses, plan) and report.analysis_to_json(analyses, plan)
    check(made, Reason.OPEN, Reason.SMILING, Reason.SWITCHED_OFF, Reason.NOT_CHOSEN, Reason.NO_STRENGTH)


@pytest.mark.parametrize("name", ["bera_wink.jpg", "duckworth_blink.jpg", "group_blink.jpg", "hatch_gray.jpg"])
def test_what_is_left_alone_on_portraits_can_be_said(made: list[Cause], real_photo: LoadPhoto, name: str) -> None:
    shrunk = np.ascontiguousarray(real_photo(name)[::8, ::8])
    for pixels in (real_photo(name), shrunk):
        analyses, plan = analyze_photo(Photo(pixels), Options())
        assert report.describe_analysis(analyses, plan)
    check(made)
    assert made


def test_why_nothing_comes_from_other_photos_can_be_said(made: list[Cause], sample: LoadPhoto) -> None:
    moments = make_moments(sample)
    options = Options(smile=SmileOptions(Wish.ALWAYS, from_reference=True))

    def ask(photo: Pixels, *references: ReferencePhoto) -> None:
        fix_photo(Photo(photo), options, DraftEngine(), references=references)

    def read(pixels: Pixels) -> ReferencePhoto:
        return read_reference(Photo(pixels, path=Path("there.jpg")))

    there = read(moments.other)
    crop = there.crops[0]
    nodding = FaceAnalysis(crop.pixels, replace(crop.face, pitch_degrees=40.0))
    turned = replace(there, crops=(replace(crop, analysis=nodding),))
    gray = np.repeat(moments.other.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    ask(moments.blinking, read(sample("image_2.jpg")))
    ask(moments.blinking, read(sample("image_5.jpg")))
    ask(moments.blinking, read(moments.blinking))
    ask(moments.blinking, read(gray))
    ask(moments.blinking, turned)
    check(
        made, Reason.NOTHING_FROM, Reason.NOBODY_ALIKE, Reason.NO_FACE_THERE, Reason.THERE_EYES_CLOSED,
        Reason.THERE_TOO_PALE, Reason.THERE_TURNED,
    )  # fmt: skip


def test_why_an_edit_is_put_back_can_be_said(made: list[Cause], sample: LoadPhoto) -> None:
    photo = Photo(sample("image_1.jpg"))
    fix_photo(photo, Options(), PaintNothing())
    fix_photo(photo, Options(min_resemblance=0.999), DraftEngine())
    moments = make_moments(sample)
    dropped = fix_photo(
        Photo(moments.blinking),
        Options(smile=NO_SMILE),
        PaintNothing(),
        references=[read_reference(Photo(moments.other))],
    )
    check(
        made, Reason.EYE_NOT_OPEN, Reason.DONOR_EYE_NOT_OPEN, Reason.NO_CLEAR_SMILE, Reason.IDENTITY_LOST,
        Reason.DROPPED,
    )  # fmt: skip
    assert dropped.report.changes and not any(change.kept for change in dropped.report.changes)
