"""Who is who in other photos, and whose eyes are worth having."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from donor.choose import DonorFinder, Finding, expect_opening
from donor.people import FaceCrop, ReferencePhoto, match_people, read_reference
from edit.options import Options, ReferenceOptions, SmileOptions, Wish
from edit.plan import Donor, EditPlan, Engine, Intent, PaintResult, Rendered
from eyes_mask import plan_eyes
from face.analysis import FaceAnalysis
from face.identity import Embedding
from face.types import EYES, Face, Feature, Landmarks
from photo.canvas import Canvas
from photo.errors import BadOption
from photo.measure import LUMA
from photo.types import Box, Photo, Progress
from retouch.engines import DraftEngine
from retouch.pipeline import analyze_photo, fix_photo, plan_edits
from retouch.report import analysis_to_json, describe_analysis, explain
from retouch.sources import choose_sources
from tests.conftest import LoadPhoto
from tests.support.donor_photos import Moments, make_moments
from tests.support.photos import PAIRS, Pair, development_pairs, where_developing

ONLY_EYES = Options(smile=SmileOptions(Wish.NEVER))


@pytest.fixture(scope="module")
def moments(sample: LoadPhoto) -> Moments:
    return make_moments(sample)


@pytest.fixture(scope="module")
def reference(moments: Moments) -> ReferencePhoto:
    return read_reference(Photo(moments.other, path=Path("album/other.jpg")))


def turn(reference: ReferencePhoto, degrees: float) -> ReferencePhoto:
    """The reference with its faces said to be turned so much further."""
    crops = (with_face(h, replace(h.face, pitch_degrees=h.face.pitch_degrees + degrees)) for h in reference.crops)
    return replace(reference, crops=tuple(crops))


def with_face(crop: FaceCrop, face: Face) -> FaceCrop:
    """The same person in the same picture, with something else said of the face."""
    analysis = FaceAnalysis(crop.pixels, face)
    analysis.embedding = crop.embedding
    return replace(crop, analysis=analysis)


def choose(moments: Moments, *references: ReferencePhoto, options: Options = ONLY_EYES) -> EditPlan:
    return plan_edits((moments.analysis,), options, DonorFinder((moments.analysis,), references, options))


def find(moments: Moments, *references: ReferencePhoto) -> list[Finding]:
    """What the references give for both closed eyes."""
    finder = DonorFinder((moments.analysis,), references, ONLY_EYES)
    intents, _ = plan_eyes((moments.analysis,), ONLY_EYES)
    assert {intent.feature for intent in intents} == set(EYES)
    return [finder.find(intent) for intent in intents]


def why(finding: Finding) -> str:
    """Why none of the references gives anything."""
    assert finding.no_donor is not None
    return explain(finding.no_donor)


# ---- reading ------------------------------------------------------------------------------------------------


def test_a_reference_keeps_the_surroundings_of_its_faces_alone(moments: Moments, sample: LoadPhoto) -> None:
    pixels = sample("image_4.jpg")
    crops = read_reference(Photo(pixels)).crops
    assert len(crops) == 5
    for crop in crops:
        moved = crop.in_photo.landmarks.points - crop.face.landmarks.points
        left, top = (int(value) for value in moved[0, :2])
        assert np.allclose(moved, [left, top, 0], atol=1e-3)
        rows, columns = crop.pixels.shape[:2]
        assert np.array_equal(crop.pixels, pixels[top : top + rows, left : left + columns])
        assert crop.pixels.size < 0.4 * pixels.size and crop.pixels.base is None


# ---- who is who ---------------------------------------------------------------------------------------------


def make_head(embedding: Embedding, x: float = 0.0) -> FaceCrop:
    analysis = make_analysis(1, embedding, x)
    return FaceCrop(analysis, analysis.face)


def make_analysis(number: int, embedding: Embedding, x: float = 0.0) -> FaceAnalysis:
    analysis = FaceAnalysis(np.zeros((1, 1, 3), np.uint8), make_face(number, x))
    analysis.embedding = embedding
    return analysis


def make_face(number: int, x: float = 0.0) -> Face:
    points = np.random.default_rng(0).uniform(0, 100, (478, 3)).astype(np.float32)
    points[263], points[33] = (90, 40, 0), (10, 40, 0)
    return Face(number, Box(0, 0, 9, 9), 1.0, Landmarks(points + np.array([x, 0, 0], np.float32)), {}, 0, 0, 0)


def looks_like(degrees: float) -> Embedding:
    """Descriptions at two angles lie 2 sin(difference / 2) apart."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def test_everybody_gets_who_looks_like_them_and_a_stranger_nobody() -> None:
    people = [make_analysis(number, looks_like(degrees)) for number, degrees in ((1, 0), (2, 90), (3, 220))]
    anna, ben = make_head(looks_like(10)), make_head(looks_like(70))
    assert match_people(people, [ben, anna], is_burst=False) == {1: anna, 2: ben}


def test_one_of_two_that_look_alike_is_nobody_unless_the_place_tells() -> None:
    people = [make_analysis(1, looks_like(0))]
    near, far = make_head(looks_like(30), x=20), make_head(looks_like(-28), x=900)
    assert match_people(people, [near, far], is_burst=False) == {}
    assert match_people(people, [near, far], is_burst=True) == {1: near}


def test_nobody_is_used_twice() -> None:
    people = [make_analysis(1, looks_like(1)), make_analysis(2, looks_like(30))]
    crop = make_head(looks_like(0))
    assert match_people(people, [crop], is_burst=False) == {1: crop}


# ---- what is worth having -----------------------------------------------------------------------------------


def test_both_eyes_come_from_the_same_photo_of_the_same_person(moments: Moments, reference: ReferencePhoto) -> None:
    edits = choose(moments, reference).edits
    assert len(edits) == 2 and edits[0].donor is not None and edits[0].donor is edits[1].donor
    donor = edits[0].donor
    assert donor.name == "other.jpg"
    assert donor.measured["distance"] < 0.85 and donor.measured["agreement"] > 0.55
    assert donor.measured["size_ratio"] == pytest.approx(1.12, abs=0.06)


def test_somebody_else_gives_nothing(moments: Moments, sample: LoadPhoto) -> None:
    hopper = read_reference(Photo(sample("image_2.jpg")))
    for finding in find(moments, hopper):
        assert finding.donors == () and "nobody in them is clearly this person" in why(finding)


def test_nobody_gives_nothing(moments: Moments) -> None:
    empty = read_reference(Photo(np.full((200, 200, 3), 90, np.uint8)))
    assert all("no face" in why(finding) for finding in find(moments, empty))


def test_closed_eyes_are_no_donors(moments: Moments) -> None:
    blinking = read_reference(Photo(moments.blinking))
    for finding in find(moments, blinking):
        assert finding.donors == () and "not clearly open" in why(finding) and finding.iris is None


def test_a_head_seen_from_elsewhere_gives_only_the_colour_of_its_eyes(
    moments: Moments, reference: ReferencePhoto
) -> None:
    for finding in find(moments, turn(reference, 30.0)):
        assert finding.donors == () and "turned too differently" in why(finding)
        assert finding.iris is not None and (finding.iris < 160).all()


def test_eyes_that_look_away_give_only_their_colour(moments: Moments, reference: ReferencePhoto) -> None:
    (crop,) = reference.crops
    points = crop.face.landmarks.points.copy()
    points[468:478, 1] -= 0.3 * crop.face.eye(Feature.RIGHT_EYE).width_px  # both irises, upward
    up = replace(reference, crops=(with_face(crop, replace(crop.face, landmarks=Landmarks(points))),))
    for finding in find(moments, up):
        assert finding.donors == () and finding.iris is not None
    edits = choose(moments, up).edits
    assert len(edits) == 2
    for edit in edits:
        assert edit.no_donor is not None
        assert explain(edit.no_donor).startswith(
            "only the colour of the eyes comes from the reference photos: the eyes look away"
        )


def test_the_colour_of_the_eyes_comes_in_the_light_of_the_photo(moments: Moments, reference: ReferencePhoto) -> None:
    """The other photo is darker by a quarter: nothing of that reaches the irises here."""
    known = [moments.open_analysis.eye(feature).iris_color for feature in EYES]
    own = np.mean([color for color in known if color is not None], axis=0)
    for other in (reference, read_reference(Photo(moments.open))):
        irises = [finding.iris for finding in find(moments, turn(other, 30.0))]
        found = np.mean([iris for iris in irises if iris is not None], axis=0)
        assert found @ LUMA == pytest.approx(own @ LUMA, rel=0.12)


def test_eyes_tinted_unlike_each_other_give_no_colour(moments: Moments) -> None:
    mirrored = moments.open.copy()
    x, y = np.rint(moments.open_face.eye(Feature.LEFT_EYE).iris[0, :2]).astype(int)
    half = round(0.3 * moments.open_face.eye(Feature.LEFT_EYE).width_px)
    mirrored[y - half : y + half, x - half : x + half] = (60, 150, 110)
    for finding in find(moments, turn(read_reference(Photo(mirrored)), 30.0)):
        assert finding.iris is None and why(finding).startswith("nothing comes from")


def test_a_face_that_is_too_small_or_too_blurred_gives_no_eyes(moments: Moments) -> None:
    small = np.asarray(cv2.resize(moments.open, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(moments.open, (0, 0), 5), np.uint8)
    for pixels, words in ((small, "too small"), (blurred, "blurred")):
        findings = find(moments, read_reference(Photo(pixels)))
        assert all(finding.donors == () and words in why(finding) for finding in findings), why(findings[0])


def test_a_grey_photo_gives_no_eyes_to_a_coloured_one(moments: Moments) -> None:
    grey = moments.open.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    findings = find(moments, read_reference(Photo(grey)))
    assert all("too pale" in why(finding) and finding.iris is None for finding in findings)


def test_the_best_of_several_photos_comes_first(moments: Moments, reference: ReferencePhoto) -> None:
    same = read_reference(Photo(moments.open, path=Path("same.jpg")))
    worse = turn(reference, 8.0)
    for references in ((worse, same), (same, worse)):
        *donors, last = choose(moments, *references).edits[0].sources
        assert [donor.name for donor in donors if isinstance(donor, Donor)] == ["same.jpg", "other.jpg"]
        assert len(donors) == 2 and isinstance(last, Rendered)


def test_a_face_chosen_by_number_is_the_only_one(moments: Moments, reference: ReferencePhoto) -> None:
    assert choose(moments, reference, options=replace(ONLY_EYES, reference=ReferenceOptions(1))).edits[0].donor
    with pytest.raises(BadOption, match="face 4"):
        choose(moments, reference, options=replace(ONLY_EYES, reference=ReferenceOptions(4)))
    with pytest.raises(BadOption):
        ReferenceOptions(0)


def test_a_broad_smile_narrows_the_eyes_and_raised_brows_widen_the_donors(moments: Moments) -> None:
    def with_shapes(smile: float, brows: float) -> Face:
        shapes = {**moments.face.blendshapes, "mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": brows}
        return replace(moments.face, blendshapes=shapes)

    calm = with_shapes(0.0, 0.0)
    assert expect_opening(calm, calm) == 1.0
    assert expect_opening(calm, with_shapes(1.0, 0.0)) == 1.0
    assert 0.7 <= expect_opening(with_shapes(0.9, 0.0), calm) < expect_opening(with_shapes(0.4, 0.0), calm) < 1
    assert expect_opening(calm, with_shapes(0.0, 0.8)) == pytest.approx(0.8)


# ---- the whole way ------------------------------------------------------------------------------------------


class SpoilDonors:
    """Paints like the draft engine, but leaves eyes that have a donor closed."""

    name = "spoil"

    def __init__(self) -> None:
        self.tried: list[list[str]] = []

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        self.tried.append([edit.donor.name if edit.donor else "" for edit in plan.edits])
        rendered = tuple(edit for edit in plan.edits if edit.donor is None)
        painted = DraftEngine().paint(canvas, replace(plan, edits=rendered), on_progress)
        patch_of = dict(zip(rendered, painted.patches, strict=True))
        return PaintResult(tuple(patch_of.get(edit, canvas.original[edit.region.box.slices]) for edit in plan.edits))


def fix(moments: Moments, engine: Engine, *references: ReferencePhoto) -> list[tuple[Feature, bool, str, str]]:
    result = fix_photo(Photo(moments.blinking), ONLY_EYES, engine, references=references)
    assert result.report.changed_outside == 0
    return [
        (c.feature, c.kept, c.donor.name if c.donor else "", explain(c.note) if c.note else "")
        for c in result.report.changes
    ]


def test_the_report_names_the_donor(moments: Moments, reference: ReferencePhoto) -> None:
    changes = fix(moments, DraftEngine(), reference)
    assert {change[0] for change in changes} == set(EYES)
    assert all(kept and donor == "other.jpg" and note == "" for _, kept, donor, note in changes)


def test_eyes_that_do_not_come_out_open_come_from_the_next_photo_and_then_are_rendered(
    moments: Moments, reference: ReferencePhoto
) -> None:
    same = read_reference(Photo(moments.open, path=Path("same.jpg")))
    engine = SpoilDonors()
    changes = fix(moments, engine, turn(reference, 8.0), same)
    assert engine.tried[:3] == [["same.jpg"] * 2, ["other.jpg"] * 2, [""] * 2]
    for _, kept, donor, note in changes:
        assert kept and donor == "" and "other.jpg" in note and "only the colour of the eyes was kept" in note


def test_the_analysis_names_the_donor(moments: Moments, reference: ReferencePhoto) -> None:
    analyses, plan = analyze_photo(Photo(moments.blinking), ONLY_EYES, references=[reference])
    words = describe_analysis(analyses, plan, numbers=True)
    assert "Face 1, both eyes: would come from other.jpg, face 1, distance 0." in words
    assert {edit["donor"]["photo"] for edit in analysis_to_json(analyses, plan)["edits"]} == {"other.jpg"}  # type: ignore[attr-defined]


def test_no_reference_changes_nothing(moments: Moments) -> None:
    for edit, usual in zip(choose(moments).edits, plan_edits((moments.analysis,), ONLY_EYES).edits, strict=True):
        assert edit.no_donor is None and edit.feature is usual.feature and edit.amount == usual.amount
        # Where an array lies in memory decides how its last bit is rounded.
        assert edit.region.box == usual.region.box
        np.testing.assert_allclose(edit.region.alpha, usual.region.alpha, atol=1e-6)
        (source,), (usual_source,) = edit.sources, usual.sources
        assert isinstance(source, Rendered) and isinstance(usual_source, Rendered)
        assert source.iris is not None and usual_source.iris is not None and not source.is_iris_known
        np.testing.assert_allclose(source.iris, usual_source.iris, rtol=1e-6)


def test_mouths_get_donors_only_when_asked_for(moments: Moments, reference: ReferencePhoto) -> None:
    mouth = Intent(moments.analysis, Feature.MOUTH, 0.0, 0.4, 0.5)
    finder = DonorFinder((moments.analysis,), [reference], ONLY_EYES)
    asked = replace(ONLY_EYES, smile=SmileOptions(Wish.NEVER, from_reference=True))
    (unasked,) = choose_sources(mouth, {Feature.MOUTH}, ONLY_EYES, finder)[1]
    assert isinstance(unasked, Rendered)
    chosen = choose_sources(mouth, {Feature.MOUTH}, asked, finder)[1][0]
    assert isinstance(chosen, Donor) and chosen.measured["smile"] > 0.55


# ---- real people --------------------------------------------------------------------------------------------


SOMEBODY_ELSE = Pair("bera", "bera_wink.jpg", "bera.jpg")
DEVELOPMENT_PAIRS = development_pairs("lp_d18", "lp_s18", "ph_d1", "lp_d0")


@pytest.mark.parametrize(
    ("pair", "pairs"),
    [
        *((pair, (*PAIRS, SOMEBODY_ELSE)) for pair in PAIRS),
        *where_developing(*((pair, DEVELOPMENT_PAIRS) for pair in DEVELOPMENT_PAIRS[:3])),
    ],
)
def test_nobody_takes_the_eyes_of_somebody_else(real_photo: LoadPhoto, pair: Pair, pairs: tuple[Pair, ...]) -> None:
    result = fix_photo(
        Photo(real_photo(pair.closed)), ONLY_EYES, DraftEngine(),
        references=[read_reference(Photo(real_photo(other.opened), path=Path(f"{other.person}.jpg")))
                    for other in pairs],
    )  # fmt: skip
    assert {change.donor.name for change in result.report.changes if change.donor} == {f"{pair.person}.jpg"}
