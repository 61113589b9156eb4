"""An eye comes from the open other one, else from another photo, else from nowhere; a mouth from another if asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from donor.choose import DonorFinder, Finding
from donor.people import KnownEyes, read_reference
from edit.options import EyeOptions, Options, SmileOptions
from edit.plan import Donor, Edit, Intent, OtherEye, Rendered, Source
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.appearance import measure_haze
from face.expression import CLOSED, SMILE
from face.eye_geometry import MEAN_ASPECT_RATIO, amount_for_height
from face.types import EYES, Feature
from photo.types import Box, FloatArray, Photo, Region
from retouch.pipeline import plan_edits
from retouch.quality import Outcome, weaken
from retouch.report import explain
from retouch.sources import choose_sources
from tests.conftest import FindFaces, LoadPhoto

CLOSED_EYE, OPEN_EYE = EYES
ASKED = Options(smile=SmileOptions(from_reference=True))
GREEN = np.array([60, 140, 90], np.float32)


class KnownFinder(DonorFinder):
    """Finds what it is told, and notes for which features it was asked."""

    def __init__(self, finding: Finding) -> None:
        super().__init__((), (), Options())
        self._finding = finding
        self.asked: list[Feature] = []

    def find(self, intent: Intent) -> Finding:
        self.asked.append(intent.feature)
        return self._finding


@pytest.fixture
def winking(real_photo: LoadPhoto, faces_of: FindFaces) -> FaceAnalysis:
    """Somebody whose right eye is closed and whose left one is open."""
    pixels = real_photo("bera_wink.jpg")
    return FaceAnalysis(pixels, faces_of(pixels)[0])


@pytest.fixture
def donors(winking: FaceAnalysis) -> tuple[Donor, Donor]:
    return Donor(winking, "first.jpg", {}), Donor(winking, "second.jpg", {})


def choose(
    analysis: FaceAnalysis,
    *,
    feature: Feature = CLOSED_EYE,
    edited: Collection[Feature] = (CLOSED_EYE,),
    options: Options | None = None,
    finder: DonorFinder | None = None,
    amount: float = 0.5,
) -> tuple[float, tuple[Source, ...], Cause | None]:
    """The final amount, the sources and why none of them is a donor."""
    threshold = SMILE if feature is Feature.MOUTH else CLOSED
    intent = Intent(analysis, feature, 0.9, threshold, amount)
    settled, sources, no_donor = choose_sources(intent, edited, options or Options(), finder)
    assert (settled.analysis, settled.feature, settled.measured) == (analysis, feature, 0.9)
    return settled.amount, sources, no_donor


def turn(analysis: FaceAnalysis, degrees: float) -> FaceAnalysis:
    return FaceAnalysis(analysis.pixels, replace(analysis.face, yaw_degrees=degrees))


def rendered_of(sources: tuple[Source, ...]) -> Rendered:
    """What is always possible comes last, and once."""
    *others, last = sources
    assert isinstance(last, Rendered) and not any(isinstance(source, Rendered) for source in others)
    return last


def iris_of(sources: tuple[Source, ...]) -> FloatArray:
    iris = rendered_of(sources).iris
    assert iris is not None
    return iris


# ---- order ----------------------------------------------------------------------------------------------


def test_the_other_eye_comes_first_then_donors_then_rendering(
    winking: FaceAnalysis, donors: tuple[Donor, Donor]
) -> None:
    _, (other, *found, _), no_donor = choose(winking, finder=KnownFinder(Finding(donors)))
    assert isinstance(other, OtherEye) and found == list(donors)
    assert no_donor is None


@pytest.mark.parametrize("is_turned", [False, True])
def test_without_an_other_eye_to_mirror_donors_come_first(
    winking: FaceAnalysis, donors: tuple[Donor, Donor], is_turned: bool
) -> None:
    finder = KnownFinder(Finding(donors))
    if is_turned:
        _, sources, _ = choose(turn(winking, 25.0), finder=finder)
    else:
        # The other eye is about to be edited itself.
        _, sources, _ = choose(winking, edited=EYES, finder=finder)
    assert sources[:-1] == donors and rendered_of(sources)


def test_without_photos_there_is_no_reason_why_nothing_comes_from_them(winking: FaceAnalysis) -> None:
    _, sources, no_donor = choose(winking, edited=EYES)
    assert len(sources) == 1 and rendered_of(sources) and no_donor is None


def test_why_no_photo_gives_an_eye_is_told_where_the_other_eye_does_not(winking: FaceAnalysis) -> None:
    why = Cause(Reason.NO_FACE_THERE)
    finder = KnownFinder(Finding((), why))
    assert choose(winking, edited=EYES, finder=finder)[2] is why
    assert choose(turn(winking, 25.0), finder=finder)[2] is why
    assert choose(winking, finder=finder)[2] is None


def test_a_plan_has_the_sources_of_real_photos(real_photo: LoadPhoto, winking: FaceAnalysis) -> None:
    references = [read_reference(Photo(real_photo("bera.jpg")))]

    def plan(analysis: FaceAnalysis) -> Edit:
        (edit,) = plan_edits((analysis,), Options(), DonorFinder((analysis,), references, Options())).edits
        assert edit.feature is CLOSED_EYE
        return edit

    assert [type(source) for source in plan(winking).sources] == [OtherEye, Donor, Rendered]
    away = plan(turn(winking, -25.0))
    assert [type(source) for source in away.sources] == [Rendered] and away.no_donor is not None
    why = away.no_donor.values["why"]
    assert isinstance(why, Cause) and why.reason is Reason.THERE_TURNED


# ---- amounts --------------------------------------------------------------------------------------------


def test_the_amount_is_that_of_the_open_other_eye(winking: FaceAnalysis) -> None:
    opening = amount_for_height(winking.face.eye(OPEN_EYE).aspect_ratio / MEAN_ASPECT_RATIO)
    assert choose(winking)[0] == pytest.approx(opening)
    # Also where it cannot be mirrored; and the user's wish counts by what it differs from the usual one.
    assert choose(turn(winking, 25.0))[0] == pytest.approx(opening)
    assert choose(winking, amount=0.6)[0] == pytest.approx(opening + 0.1)
    assert choose(winking, amount=0.45)[0] == pytest.approx(opening - 0.05)
    assert 0 < opening < 0.9


def test_without_an_open_other_eye_the_amount_is_the_users(winking: FaceAnalysis) -> None:
    assert choose(winking, edited=EYES, amount=0.3)[0] == 0.3
    assert choose(winking, feature=OPEN_EYE, edited=(OPEN_EYE,), amount=0.3)[0] == 0.3
    assert choose(winking, feature=Feature.MOUTH, edited=(Feature.MOUTH,), amount=0.3)[0] == 0.3


def test_eyes_open_as_wide_as_those_of_the_person_do(winking: FaceAnalysis) -> None:
    for height, wish in ((1.1, 0.5), (0.8, 0.5), (1.0, 0.7)):
        finder = KnownFinder(Finding(known=KnownEyes("Ada", 9, lid_height=height)))
        amount, _, _ = choose(winking, edited=EYES, finder=finder, amount=wish)
        assert amount == pytest.approx(amount_for_height(height) + wish - EyeOptions().opening)
        # Beside an open eye that one counts.
        own = winking.face.eye(OPEN_EYE).aspect_ratio / MEAN_ASPECT_RATIO
        assert choose(winking, finder=finder, amount=0.5)[0] == pytest.approx(amount_for_height(own))


# ---- colours --------------------------------------------------------------------------------------------


def clear(analysis: FaceAnalysis, color: FloatArray) -> FloatArray:
    """A colour as the photo shows it, without haze."""
    return np.maximum(color - measure_haze(analysis.appearance.black, analysis.eye(CLOSED_EYE).skin), 1)


def test_the_iris_has_the_colour_of_the_other_eye_before_that_of_a_photo(winking: FaceAnalysis) -> None:
    own = winking.eye(OPEN_EYE).iris_color
    assert own is not None
    finder = KnownFinder(Finding(iris=GREEN))
    _, sources, _ = choose(winking, finder=finder)
    assert np.allclose(iris_of(sources), clear(winking, own)) and not rendered_of(sources).is_iris_known
    assert not np.allclose(clear(winking, own), clear(winking, GREEN), atol=5)


def test_without_an_open_other_eye_a_photo_tells_the_colour(winking: FaceAnalysis) -> None:
    _, found, _ = choose(winking, edited=EYES, finder=KnownFinder(Finding(iris=GREEN)))
    assert np.allclose(iris_of(found), clear(winking, GREEN)) and rendered_of(found).is_iris_known


def test_the_colour_of_many_photos_is_used_where_no_photo_tells_it_and_said(winking: FaceAnalysis) -> None:
    known = KnownEyes("Ada", 9, np.array([0.2, 0.5, 0.9], np.float32))
    intent = Intent(winking, CLOSED_EYE, 0.9, CLOSED, 0.5)
    found = DonorFinder((winking,), (), Options(), {winking.face.number: known}).find(intent)
    assert found.iris is not None and found.no_donor is None
    assert found.iris[2] > found.iris[1] > found.iris[0]
    assert found.iris[2] < winking.eye(CLOSED_EYE).skin[2]  # in the light of this photo
    _, sources, no_donor = choose(winking, edited=EYES, finder=KnownFinder(found))
    assert np.allclose(iris_of(sources), clear(winking, found.iris)) and rendered_of(sources).is_iris_known
    assert no_donor is not None and explain(no_donor) == "in the colour that the eyes of Ada have in 9 photos"
    why = Cause(Reason.NOTHING_FROM, {"what": "nothing", "among": "them", "why": Cause(Reason.NO_FACE_THERE)})
    _, _, no_donor = choose(winking, edited=EYES, finder=KnownFinder(replace(found, no_donor=why)))
    assert no_donor is not None
    assert explain(no_donor) == (
        "in the colour that the eyes of Ada have in 9 photos; nothing comes from them: they show no face"
    )
    # A colour that was asked for, or the other eye's, comes first, and nothing is said of this one.
    for edited, options in ((EYES, Options(eyes=EyeOptions(color="blue"))), ((CLOSED_EYE,), Options())):
        _, sources, no_donor = choose(winking, edited=edited, options=options, finder=KnownFinder(found))
        assert not rendered_of(sources).is_iris_known and no_donor is None
    # Nothing is known of somebody else, nor of a mouth.
    assert DonorFinder((winking,), (), Options(), {99: known}).find(intent).iris is None
    mouth = replace(intent, feature=Feature.MOUTH)
    assert DonorFinder((winking,), (), Options(), {winking.face.number: known}).find(mouth).known is None


@pytest.mark.parametrize(
    ("edited", "degrees", "options", "used"),
    [
        (EYES, 0.0, Options(), True),
        (EYES, 0.0, Options(eyes=EyeOptions(color="blue")), False),
        # The open other eye cannot be mirrored, but its colour is known.
        ((CLOSED_EYE,), 25.0, Options(), False),
    ],
)
def test_the_colour_of_a_photo_is_mentioned_only_where_it_is_used(
    winking: FaceAnalysis, *, edited: tuple[Feature, ...], degrees: float, options: Options, used: bool
) -> None:
    why = Cause(Reason.NOTHING_FROM, {"what": "nothing", "among": "them", "why": Cause(Reason.NO_FACE_THERE)})
    face = turn(winking, degrees)
    _, sources, no_donor = choose(face, edited=edited, options=options, finder=KnownFinder(Finding((), why, GREEN)))
    assert rendered_of(sources).is_iris_known is used
    assert no_donor is not None
    start = "only the colour of the eyes comes from them" if used else "nothing comes from them"
    assert explain(no_donor) == f"{start}: they show no face"
    # The same where a donor was tried and dropped.
    donor = Donor(winking, "first.jpg", {})
    _, sources, _ = choose(face, edited=edited, options=options, finder=KnownFinder(Finding((donor,), None, GREEN)))
    region = Region(Box(0, 0, 4, 4), np.ones((4, 4), np.float32))
    edit = Edit(face, CLOSED_EYE, region, 0.9, CLOSED, 0.5, sources=sources)
    (dropped,) = weaken([edit], [Outcome(False, 0.0, Cause(Reason.IDENTITY_LOST, {"similarity": 0.2}))])
    assert dropped.no_donor is not None and dropped.sources == sources[1:]
    assert ("only the colour of the eyes was kept" in explain(dropped.no_donor)) is used


def test_a_colour_that_nobody_tells_is_a_dark_brown(winking: FaceAnalysis) -> None:
    _, sources, _ = choose(winking, edited=EYES)
    red, green, blue = iris_of(sources)
    assert red > green > blue and not rendered_of(sources).is_iris_known
    assert (iris_of(sources) < 0.7 * winking.eye(CLOSED_EYE).skin).all()


@pytest.mark.parametrize("edited", [(CLOSED_EYE,), EYES])
@pytest.mark.parametrize("found", [None, GREEN])
def test_the_colour_that_was_asked_for_wins(
    winking: FaceAnalysis, edited: tuple[Feature, ...], found: FloatArray | None
) -> None:
    blue, brown = (
        iris_of(
            choose(
                winking,
                edited=edited,
                options=Options(eyes=EyeOptions(color=color)),
                finder=KnownFinder(Finding(iris=found)),
            )[1]
        )
        for color in ("blue", "brown")
    )
    usual = iris_of(choose(winking, edited=EYES, options=Options(eyes=EyeOptions(color="blue")))[1])
    assert np.array_equal(blue, usual)
    assert blue[2] / blue[0] > 1.5 * brown[2] / brown[0]


# ---- gaze -----------------------------------------------------------------------------------------------


def pose(analysis: FaceAnalysis, yaw: float, pitch: float) -> FaceAnalysis:
    return FaceAnalysis(analysis.pixels, replace(analysis.face, yaw_degrees=yaw, pitch_degrees=pitch))


def test_a_rendered_eye_looks_at_the_camera(winking: FaceAnalysis) -> None:
    def gazes(yaw: float, pitch: float = 0.0) -> list[tuple[float, float]]:
        posed = pose(winking, yaw, pitch)
        return [rendered_of(choose(posed, feature=eye, edited=EYES)[1]).gaze for eye in EYES]

    assert np.allclose(gazes(0.0), 0, atol=1e-6)
    for yaw in (-15.0, 15.0):
        (right, _), (left, _) = gazes(yaw)
        # Both look the same way: in one eye that is to the nose, in the other away from it. The subject's left is on
        # the right of the picture, so who turns there looks back to their right: the right eye away from the nose.
        assert right * left < 0 and right * yaw < 0
        assert abs(right) > abs(gazes(yaw / 3)[0][0])
    assert all(up > 0 for _, up in gazes(0.0, 8.0)) and all(up < 0 for _, up in gazes(0.0, -8.0))
    assert all(abs(aside) <= 0.20 and abs(up) <= 0.06 for aside, up in gazes(60.0, 60.0))


# ---- mouths ---------------------------------------------------------------------------------------------


def test_mouths_get_nothing_from_photos_unless_asked(winking: FaceAnalysis, donors: tuple[Donor, Donor]) -> None:
    why = Cause(Reason.NO_FACE_THERE)
    for finding in (Finding(donors), Finding((), why)):
        finder = KnownFinder(finding)
        _, (source,), no_donor = choose(winking, feature=Feature.MOUTH, edited=(Feature.MOUTH,), finder=finder)
        assert isinstance(source, Rendered) and no_donor is None and finder.asked == []
        _, sources, no_donor = choose(
            winking, feature=Feature.MOUTH, edited=(Feature.MOUTH,), options=ASKED, finder=finder
        )
        assert finder.asked == [Feature.MOUTH]
        assert sources[:-1] == finding.donors and rendered_of(sources) and no_donor is finding.no_donor


def test_a_rendered_mouth_has_no_iris(winking: FaceAnalysis) -> None:
    _, sources, _ = choose(winking, feature=Feature.MOUTH, edited=(Feature.MOUTH, *EYES), options=ASKED)
    rendered = rendered_of(sources)
    assert rendered.iris is None and rendered.gaze == (0.0, 0.0) and not rendered.is_iris_known
