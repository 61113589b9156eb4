"""Eyes and smiles that are carried over from another photo are the person's own, in the light of this one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from donor.painter import paint_donor
from edit.options import Options, SmileOptions, Wish
from edit.plan import Donor, Edit, EditPlan
from face.analysis import FaceAnalysis
from face.eye_geometry import IRIS_RADIUS, landmarks_in_frame
from face.search import remeasure
from face.types import EYES, Face, Feature
from mouth_mask import mouth_region
from photo.blend import Patch
from photo.canvas import Canvas
from photo.measure import LUMA
from photo.types import Box, Pixels
from retouch.engines import DraftEngine
from retouch.pipeline import plan_edits
from retouch.progress import ignore_progress
from tests.conftest import LoadPhoto
from tests.support.donor_photos import DIMMED, Moments, make_donor, make_moments
from tests.support.painting import composite


@pytest.fixture(scope="module")
def moments(sample: LoadPhoto) -> Moments:
    return make_moments(sample)


def plan_blink(moments: Moments, donor: Donor | None) -> EditPlan:
    plan = plan_edits((moments.analysis,), Options(smile=SmileOptions(Wish.NEVER)))
    assert {edit.feature for edit in plan.edits} == set(EYES)
    if donor is None:
        return plan
    return replace(plan, edits=tuple(replace(edit, sources=(donor, *edit.sources)) for edit in plan.edits))


def open_with(moments: Moments, donor: Donor | None) -> Pixels:
    plan = plan_blink(moments, donor)
    before = moments.blinking.copy()
    result = paint(moments.blinking, plan)
    assert np.array_equal(moments.blinking, before)
    return result


def paint(pixels: Pixels, plan: EditPlan) -> Pixels:
    """The photo with all edits of the plan in it; the engine leaves the canvas as it was."""
    canvas = Canvas(pixels)
    painted = DraftEngine().paint(canvas, plan, ignore_progress)
    assert np.array_equal(canvas.work, pixels)
    patches = zip(plan.edits, painted.patches, strict=True)
    return composite(pixels, [Patch(edit.region, patch) for edit, patch in patches])


def measure_error(moments: Moments, pixels: Pixels) -> float:
    """Mean difference of colours around the eyes from the photo with open eyes, lightly blurred."""
    errors = []
    for edit in plan_blink(moments, None).edits:
        now, true = (cv2.GaussianBlur(p[edit.region.box.slices].astype(np.float32), (0, 0), 1.5)
                     for p in (pixels, moments.open))  # fmt: skip
        errors.append(float(np.abs(now - true)[edit.region.alpha > 0.5].mean()))
    return float(np.mean(errors))


def test_own_eyes_come_nearer_to_the_truth_than_closed_or_rendered_ones(moments: Moments) -> None:
    carried = open_with(moments, make_donor(moments.analysis, moments.other_analysis))
    error = measure_error(moments, carried)
    assert error < 0.5 * measure_error(moments, moments.blinking)
    assert error < 0.5 * measure_error(moments, open_with(moments, None))
    after = remeasure(carried, moments.face)
    assert after is not None
    for eye in EYES:
        assert after.eye(eye).aspect_ratio == pytest.approx(moments.open_face.eye(eye).aspect_ratio, abs=0.03)


def test_the_donors_darkness_does_not_come_along(moments: Moments) -> None:
    carried = open_with(moments, make_donor(moments.analysis, moments.other_analysis))
    for edit in plan_blink(moments, None).edits:
        inside = edit.region.alpha > 0.5
        now, true = (p[edit.region.box.slices][inside].mean() for p in (carried, moments.open))
        assert now == pytest.approx(true, rel=0.05)


def test_a_lowered_lid_narrows_the_eye_and_leaves_what_is_below_it(moments: Moments) -> None:
    donor = make_donor(moments.analysis, moments.other_analysis)
    wide, narrow = (open_with(moments, replace(donor, opening=opening)) for opening in (1.0, 0.75))
    seen = [remeasure(pixels, moments.face) for pixels in (wide, narrow)]
    for eye in EYES:
        ratios = [face.eye(eye).aspect_ratio for face in seen if face is not None]
        assert len(ratios) == 2 and ratios[1] < ratios[0] - 0.015
    for edit in plan_blink(moments, None).edits:
        bottom = round(float(moments.open_face.eye(edit.feature).lower[4, 1])) + 2
        below = slice(bottom, edit.region.box.bottom), slice(edit.region.box.left, edit.region.box.right)
        assert np.abs(wide[below].astype(int) - narrow[below]).max() <= 4


def test_eyes_out_of_the_dark_are_steadied_and_others_left_alone(
    moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(1).normal(0, 8, moments.other.shape)
    dark: Pixels = np.clip(np.rint(0.45 / DIMMED * moments.other + noise), 0, 255).astype(np.uint8)
    sources = FaceAnalysis(dark, moments.other_face), moments.open_analysis
    donors = [make_donor(moments.analysis, source) for source in sources]
    steadied = [open_with(moments, donor) for donor in donors]
    monkeypatch.setattr("donor.eye.regularize_eye", lambda matched, *_: matched.pixels)
    as_they_came = [open_with(moments, donor) for donor in donors]
    assert np.array_equal(steadied[1], as_they_came[1])
    for eye in EYES:
        after, before = (measure_unevenness(moments.open_face, eye, part[0]) for part in (steadied, as_they_came))
        assert after < 0.75 * before


def measure_unevenness(face: Face, feature: Feature, pixels: Pixels) -> float:
    """Deviation of luma on the ring of the iris that neither pupil nor lids reach, at the height of its middle."""
    frame, eye = face.eye_frame(feature), face.eye(feature)
    x, y = frame.grid(box := Box.around(np.concatenate([eye.upper, eye.lower])))
    center_x, center_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    distance = np.hypot(x - center_x, y - center_y) / IRIS_RADIUS
    ring = (distance > 0.5) & (distance < 0.8) & (y < center_y + 0.1) & (y > center_y - 0.2)
    return float(np.std((pixels[box.slices] @ LUMA)[ring]))


def test_the_brows_are_not_touched(moments: Moments) -> None:
    plan = plan_blink(moments, make_donor(moments.analysis, moments.other_analysis))
    for edit in plan.edits:
        assert edit.donor is not None
        part = paint_donor(moments.blinking, edit, edit.donor)
        brow = moments.face.eye(edit.feature).brow_lower[1:4, :2] - (edit.region.box.left, edit.region.box.top)
        for x, y in np.rint(brow).astype(int):
            if 0 <= y < part.shape[0] and 0 <= x < part.shape[1]:
                assert np.array_equal(part[y, x], moments.blinking[edit.region.box.slices][y, x])


def test_a_smile_is_carried_over_where_the_mouth_was_lost(moments: Moments) -> None:
    region = mouth_region(moments.open.shape, moments.open_face.landmarks)
    assert region is not None
    grey = moments.open.copy()
    inside = region.alpha > 0.9
    grey[region.box.slices][inside] = grey[region.box.slices][inside].mean(axis=0).astype(np.uint8)
    lost_mouth = FaceAnalysis(grey, moments.open_face)
    donor = make_donor(lost_mouth, moments.other_analysis)
    edit = Edit(lost_mouth, Feature.MOUTH, region, 0.0, 0.4, 0.5, sources=(donor,))
    restored = paint(grey, EditPlan((edit,)))
    error, lost = (np.abs(p[region.box.slices].astype(float) - moments.open[region.box.slices])[inside].mean()
                   for p in (restored, grey))  # fmt: skip
    assert error < 0.4 * lost
    after = remeasure(restored, moments.open_face)
    assert after is not None and after.smile > 0.5
