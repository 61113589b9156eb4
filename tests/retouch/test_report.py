"""The report in words, in JSON and as a picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edit.plan import Change, Edit, EditPlan, Report, Skip
from face.types import LANDMARK_COUNT, Face, Feature, Landmarks
from photo.types import Box, Region
from retouch import drawing, report


def make_face(number: int, box: Box, smile: float = 0.1, yaw: float = 0.0) -> Face:
    """A face whose landmarks fill its box in no order; only its numbers matter here."""
    spread = np.random.default_rng(number).random((LANDMARK_COUNT, 3), dtype=np.float32)
    points = spread * np.array([box.width, box.height, 1], np.float32)
    points += np.array([box.left, box.top, 0], np.float32)
    shapes = {"mouthSmileLeft": smile, "mouthSmileRight": smile, "eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.1}
    return Face(number, box, 0.99, Landmarks(points), shapes, yaw, 0.0, 0.0)


def make_report(changes: tuple[Change, ...], skips: tuple[Skip, ...], faces: tuple[Face, ...]) -> Report:
    return Report(faces, changes, skips, "draft", 1234 if changes else 0, 0, {"find": 0.5})


def make_edit(face: Face, feature: Feature) -> Edit:
    box = Box(face.box.left + 2, face.box.top + 2, face.box.right - 2, face.box.bottom - 2)
    return Edit(face, feature, Region(box, np.ones((box.height, box.width), np.float32)), 0.04, 0.2, 0.5)


FIRST = make_face(1, Box(10, 20, 110, 140))
SECOND = make_face(2, Box(150, 20, 250, 140), smile=0.8, yaw=20.0)


def test_both_eyes_and_the_mouth_read_as_one_sentence() -> None:
    changes = (
        Change(FIRST, Feature.RIGHT_EYE, 0.03, 0.28, True, 1),
        Change(FIRST, Feature.LEFT_EYE, 0.05, 0.30, True, 1),
        Change(FIRST, Feature.MOUTH, 0.02, 0.71, True, 2),
    )
    assert report.describe(make_report(changes, (), (FIRST,))).splitlines() == [
        "Found 1 face.",
        "Face 1: opened both eyes (eye aspect ratio 0.04 → 0.29) and "
        "made the mouth smile (smile score 0.02 → 0.71).",
        "Edited 1,234 pixels and touched no other.",
    ]  # fmt: skip


def test_one_eye_is_named_and_the_rest_gets_its_reasons() -> None:
    changes = (Change(FIRST, Feature.LEFT_EYE, 0.05, 0.30, True, 1),)
    skips = (Skip(FIRST, Feature.RIGHT_EYE, "already open."), Skip(FIRST, Feature.MOUTH, "already smiling"))
    assert report.describe(make_report(changes, skips, (FIRST,))).splitlines()[1] == (
        "Face 1: opened the left eye (eye aspect ratio 0.05 → 0.30). The right eye: already open. "
        "Mouth: already smiling."
    )  # fmt: skip


def test_the_resemblance_is_told_once_for_a_face() -> None:
    changes = tuple(Change(FIRST, feature, 0.1, 0.7, True, 1, similarity=0.8765) for feature in Feature)
    data = report.to_json(make_report(changes, (), (FIRST,)))
    assert [change["resemblance"] for change in data["changes"]] == [0.8765] * 3  # type: ignore[attr-defined]
    assert report.describe(make_report(changes, (), (FIRST,))).count("Resemblance to before 0.88 of 1.") == 1


def test_a_face_with_one_reason_for_all_says_it_once() -> None:
    skips = tuple(Skip(FIRST, feature, "the face is too small") for feature in Feature)
    text = report.describe(make_report((), skips, (FIRST,)))
    assert "Face 1: left alone: the face is too small." in text
    assert text.endswith("Nothing was changed: the result is the photo as it was.")


def test_an_edit_put_back_tells_why() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.1, 0.2, False, 3, "it would have looked forced"),)
    assert "Mouth put back as before: it would have looked forced." in report.describe(
        make_report(changes, (), (FIRST,))
    )


def test_no_face_is_said_plainly() -> None:
    assert report.describe(make_report((), (), ())).startswith("Found no face.")
    assert report.describe_analysis((), EditPlan()) == "Found no face."


def test_pixels_changed_outside_are_a_warning() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.1, 0.7, True, 1),)
    assert "Warning: 7 pixels outside" in report.describe(Report((FIRST,), changes, (), "draft", 9, 7, {}))


def test_the_analysis_table_has_a_row_for_each_face_and_the_reasons_below() -> None:
    plan = EditPlan((make_edit(FIRST, Feature.LEFT_EYE),), (Skip(SECOND, Feature.MOUTH, "already smiling", 0.8, 0.3),))
    lines = report.describe_analysis((FIRST, SECOND), plan).splitlines()
    assert lines[0] == "Found 2 faces."
    assert lines[3].startswith("1 ") and lines[3].endswith("open the left eye") and "closed" in lines[3]
    assert lines[4].startswith("2 ") and lines[4].endswith("nothing")
    assert "20° right" in lines[4] and "smiling 0.80" in lines[4] and "not smiling 0.10" in lines[3]
    assert lines[-1] == "Face 2, mouth: already smiling."
    # The columns stand under their headings.
    assert lines[2].index("would be done") == lines[3].index("open the") == lines[4].index("nothing")


def test_the_analysis_says_why_no_photo_gives_its_eyes() -> None:
    edits = tuple(replace(make_edit(FIRST, eye), no_donor="they show no face") for eye in list(Feature)[:2])
    assert report.describe_analysis((FIRST,), EditPlan(edits)).endswith("\nFace 1, both eyes: they show no face.")


def test_json_holds_every_part_and_only_what_json_knows() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.123456, float("nan"), False, 1, "no face was seen any more"),)
    data = report.to_json(make_report(changes, (Skip(SECOND, Feature.MOUTH, "already smiling"),), (FIRST, SECOND)))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data) == [
        "schema_version", "engine", "faces", "changes", "skips", "changed_pixels", "changed_outside", "seconds",
    ]  # fmt: skip
    assert data["schema_version"] == 1
    assert data["changes"] == [
        {
            "face": 1, "feature": "mouth", "before": 0.1235, "after": None, "kept": False, "tries": 1,
            "note": "no face was seen any more", "donor": None, "resemblance": None,
        }
    ]  # fmt: skip
    assert data["skips"] == [
        {"face": 2, "feature": "mouth", "reason": "already smiling", "measured": None, "threshold": None}
    ]


def test_the_analysis_has_edits_where_the_report_has_changes() -> None:
    data = report.analysis_to_json((FIRST,), EditPlan((make_edit(FIRST, Feature.MOUTH),)))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["edits"] == [
        {
            "face": 1, "feature": "mouth", "measured": 0.04, "threshold": 0.2, "amount": 0.5,
            "box": {"left": 12, "top": 22, "right": 108, "bottom": 138}, "note": "", "donor": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [(40, 30), (300, 400), (3000, 4000)])
def test_the_drawing_keeps_the_proportions_and_leaves_the_photo_alone(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels.setflags(write=False)
    face = make_face(1, Box(width // 4, height // 4, width // 2, height // 2))
    drawn = drawing.draw_analysis(pixels, (face,), EditPlan((make_edit(face, Feature.MOUTH),)))
    assert drawn.dtype == np.uint8
    assert max(drawn.shape[:2]) >= max(1000, height, width)
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(width / height, rel=0.02)
    assert (drawn != 128).any()


def test_a_photo_without_faces_is_drawn_as_it_is() -> None:
    pixels = np.full((1200, 900, 3), 77, np.uint8)
    drawn = drawing.draw_analysis(pixels, (), EditPlan())
    assert drawn is not pixels
    np.testing.assert_array_equal(drawn, pixels)


def test_numbers_of_a_crowd_hide_no_face() -> None:
    """Faces in rows with room between them: what is inside the boxes, off their lines, stays as it was."""
    pixels = np.full((1600, 2000, 3), 200, np.uint8)
    faces = tuple(
        make_face(1 + row * 10 + column, Box(x, y, x + 80, y + 100))
        for row, y in enumerate(range(100, 1500, 200))
        for column, x in enumerate(range(60, 1900, 190))
    )
    drawn = drawing.draw_analysis(pixels, faces, EditPlan())
    for face in faces:
        inside = Box(face.box.left + 8, face.box.top + 8, face.box.right - 8, face.box.bottom - 8)
        assert (drawn[inside.slices] == 200).all(), f"face {face.number} is hidden"


def test_a_face_at_the_edge_of_the_photo_gets_its_number() -> None:
    pixels = np.zeros((1000, 1000, 3), np.uint8)
    face = make_face(1, Box(0, 0, 1000, 1000))
    drawn = drawing.draw_analysis(pixels, (face,), EditPlan())
    assert (drawn[:60, :60] > 200).any()
