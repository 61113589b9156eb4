"""What is measured of a face is measured once, whoever asks, and is kept while the photo stays open.

Calls are counted in every module of the program that has the function, from reading the reference photo on. What the
check measures of the painted photo is new each time and is told apart: it is counted while `check_face` runs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from donor.align import align_faces
from donor.choose import DonorFinder
from donor.people import read_reference
from edit.options import EyeOptions, Options
from edit.plan import Donor, FixResult, Rendered, Source
from face.analysis import FaceAnalysis
from face.appearance import measure_appearance, measure_eye_skin, measure_light_side, measure_skin
from face.eye_geometry import find_iris, measure_iris
from face.identity import embed_face
from face.occlusion import (
    find_lower_rims,
    is_under_dark_glass,
    lacks_lash_line,
    measure_lip_contrast,
    measure_sharpness,
)
from face.types import EYES, _find_eye_frame
from photo.types import Photo
from retouch.engines import DraftEngine
from retouch.pipeline import analyze, fix_photo
from retouch.quality import check_face
from tests.conftest import ROOT, LoadPhoto
from tests.support.donor_photos import Moments, make_moments

Measure = Callable[..., Any]
OF_A_FACE: tuple[Measure, ...] = (
    measure_appearance, measure_skin, measure_light_side, measure_sharpness, measure_lip_contrast, find_lower_rims,
    embed_face,
)  # fmt: skip
OF_AN_EYE: tuple[Measure, ...] = (
    _find_eye_frame, measure_eye_skin, find_iris, measure_iris, is_under_dark_glass, lacks_lash_line,
)  # fmt: skip
MEASURES = (*OF_A_FACE, *OF_AN_EYE, align_faces)


@dataclass
class Calls:
    """How often each measure was taken, by its name: to plan and paint, and by the check."""

    made: Counter[str] = field(default_factory=Counter)
    by_check: Counter[str] = field(default_factory=Counter)
    is_checking: bool = False

    def count(self, function: Measure) -> Measure:
        def counted(*arguments: Any, **named: Any) -> Any:
            (self.by_check if self.is_checking else self.made)[function.__name__] += 1
            return function(*arguments, **named)

        return counted

    def mark(self, check: Measure) -> Measure:
        def marked(*arguments: Any, **named: Any) -> Any:
            self.is_checking = True
            try:
                return check(*arguments, **named)
            finally:
                self.is_checking = False

        return marked


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    counted = Calls()
    replaced: dict[Measure, Measure] = {function: counted.count(function) for function in MEASURES}
    replaced[check_face] = counted.mark(check_face)
    program = [module for name, module in sys.modules.items() if name != __name__ and _is_ours(module)]
    for function, stand_in in replaced.items():
        places = [(module, name) for module in program for name, value in vars(module).items() if value is function]
        assert places
        for module, name in places:
            monkeypatch.setattr(module, name, stand_in)
    return counted


def _is_ours(module: object) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and ROOT in Path(file).parents and ".venv" not in file


@dataclass
class Visit:
    """A photo of one blinking face that stays open, with or without a reference photo beside it, as on the page."""

    photo: Photo
    analyses: Sequence[FaceAnalysis]
    finder: DonorFinder

    def fix(self, opening: float) -> FixResult:
        options = Options(eyes=EyeOptions(opening=opening))
        return fix_photo(self.photo, options, DraftEngine(), analyses=self.analyses, finder=self.finder)


@pytest.fixture(scope="module")
def moments(sample: LoadPhoto) -> Moments:
    return make_moments(sample)


def open_photo(moments: Moments, *, has_reference: bool) -> Visit:
    analyses = analyze(moments.blinking)
    references = [read_reference(Photo(moments.other))] if has_reference else []
    assert len(analyses) == 1 and all(len(reference.crops) == 1 for reference in references)
    return Visit(Photo(moments.blinking), analyses, DonorFinder(analyses, references, Options()))


def expect_one_try(result: FixResult, source: type[Source]) -> None:
    """Both eyes come from where they should, at the first try, and nothing else was tried."""
    assert {change.feature for change in result.report.changes} == set(EYES)
    for change in result.report.changes:
        assert change.kept and change.tries == 1 and isinstance(change.source, source)


def test_a_face_and_its_donor_are_measured_once(moments: Moments, calls: Calls) -> None:
    expect_one_try(open_photo(moments, has_reference=True).fix(0.5), Donor)
    assert calls.made["measure_appearance"] == 2  # the face and its donor
    assert calls.made["measure_skin"] == 2
    assert calls.made["align_faces"] == 1
    assert calls.made["_find_eye_frame"] <= 4  # two eyes of either
    assert calls.made["embed_face"] + calls.by_check["embed_face"] <= 3  # both, and the painted one
    for measure in OF_A_FACE:
        assert calls.made[measure.__name__] <= 2
    for measure in OF_AN_EYE:
        assert calls.made[measure.__name__] <= 4
    assert calls.by_check == {"embed_face": 1}


def test_a_face_whose_eyes_are_rendered_is_measured_once(moments: Moments, calls: Calls) -> None:
    expect_one_try(open_photo(moments, has_reference=False).fix(0.5), Rendered)
    assert calls.made["measure_appearance"] == calls.made["measure_skin"] == calls.made["measure_light_side"] == 1
    assert calls.made["align_faces"] == 0
    for measure in OF_A_FACE:
        assert calls.made[measure.__name__] <= 1
    for measure in OF_AN_EYE:
        assert calls.made[measure.__name__] <= 2
    assert calls.by_check == {"embed_face": 2}  # nobody had to be recognised before; as it was, and as painted


@pytest.mark.parametrize(("has_reference", "source"), [(True, Donor), (False, Rendered)])
def test_a_slider_that_moves_has_nothing_measured_anew(
    moments: Moments, calls: Calls, has_reference: bool, source: type[Source]
) -> None:
    visit = open_photo(moments, has_reference=has_reference)
    first = visit.fix(0.5)
    assert calls.made["measure_appearance"] > 0
    calls.made.clear()
    calls.by_check.clear()
    second = visit.fix(0.7)
    expect_one_try(second, source)
    # Real eyes are as wide as they were; rendered ones follow the slider.
    assert (first.pixels != second.pixels).any() == (source is Rendered)
    assert not calls.made
    assert calls.by_check == {"embed_face": 1}
