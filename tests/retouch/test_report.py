"""The report in words, in JSON and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edit.plan import Change, EditPlan, OtherEye, Report, Skip
from edit.reasons import Cause, Reason
from face.types import EYES, Face, Feature
from photo.types import Box
from retouch import drawing, report
from tests.support.faces import make_analysis, make_donor, make_edit, make_face

SMILING = Cause(Reason.SMILING)
NOT_RECOGNIZED = Cause(Reason.NOT_RECOGNIZED)
TOO_SMALL = Cause(Reason.TOO_SMALL, {"distance": 12.0, "least": 16.0})


def make_report(changes: tuple[Change, ...], skips: tuple[Skip, ...], faces: tuple[Face, ...]) -> Report:
    return Report(faces, changes, skips, "draft", 1234 if changes else 0, 0, {"find": 0.5})


FIRST = make_face(1, Box(10, 20, 110, 140))
SECOND = make_face(2, Box(150, 20, 250, 140), smile=0.8, yaw_degrees=20.0)
FIRST_ANALYSIS, SECOND_ANALYSIS = make_analysis(FIRST), make_analysis(SECOND)


def test_both_eyes_and_the_mouth_read_as_one_sentence() -> None:
    changes = (
        Change(FIRST, Feature.RIGHT_EYE, 0.03, 0.28, True, 1),
        Change(FIRST, Feature.LEFT_EYE, 0.05, 0.30, True, 1),
        Change(FIRST, Feature.MOUTH, 0.02, 0.71, True, 2),
    )
    assert report.describe(make_report(changes, (), (FIRST,))).splitlines() == [
        "Found 1 face.",
        "Face 1: opened both eyes and made the mouth smile.",
        "Edited 1,234 pixels and touched no other.",
    ]
    assert report.describe(make_report(changes, (), (FIRST,)), numbers=True).splitlines() == [
        "Found 1 face.",
        "Face 1: opened both eyes (eye aspect ratio 0.04 → 0.29) and "
        "made the mouth smile (smile score 0.02 → 0.71).",
        "Edited 1,234 pixels and touched no other.",
    ]  # fmt: skip


def test_one_eye_is_named_and_the_rest_gets_its_reasons() -> None:
    changes = (Change(FIRST, Feature.LEFT_EYE, 0.05, 0.30, True, 1),)
    skips = (Skip(FIRST, Feature.RIGHT_EYE, Cause(Reason.OPEN)), Skip(FIRST, Feature.MOUTH, SMILING))
    assert report.describe(make_report(changes, skips, (FIRST,)), numbers=True).splitlines()[1] == (
        "Face 1: opened the left eye (eye aspect ratio 0.05 → 0.30). The right eye: open already. "
        "Mouth: already smiling."
    )  # fmt: skip


def test_the_resemblance_is_told_once_for_a_face() -> None:
    changes = tuple(Change(FIRST, feature, 0.1, 0.7, True, 1, similarity=0.8765) for feature in Feature)
    data = report.to_json(make_report(changes, (), (FIRST,)))
    assert [change["resemblance"] for change in data["changes"]] == [0.8765] * 3  # type: ignore[attr-defined]
    words = report.describe(make_report(changes, (), (FIRST,)), numbers=True)
    assert words.count("Resemblance to before 0.88 of 1.") == 1
    assert "Resemblance" not in report.describe(make_report(changes, (), (FIRST,)))


def test_a_face_with_one_reason_for_all_says_it_once() -> None:
    skips = tuple(Skip(FIRST, feature, TOO_SMALL) for feature in Feature)
    assert "Face 1: left alone: the face is too small to tell." in report.describe(make_report((), skips, (FIRST,)))
    text = report.describe(make_report((), skips, (FIRST,)), numbers=True)
    words = "the face is too small to tell: its outer eye corners are 12 px apart, 16 px are needed"
    assert f"Face 1: left alone: {words}." in text.splitlines()
    assert text.endswith("Nothing was changed: the photo stays as it was.")


def test_an_edit_put_back_tells_why() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.1, 0.2, False, 3, Cause(Reason.NO_CLEAR_SMILE)),)
    assert "Mouth put back as before: the smile did not come out clearly." in report.describe(
        make_report(changes, (), (FIRST,))
    )


def test_no_face_is_said_plainly() -> None:
    assert report.describe(make_report((), (), ())).startswith("Found no face.")
    assert report.describe_analysis((), EditPlan()) == "Found no face."


def test_pixels_changed_outside_are_a_warning() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.1, 0.7, True, 1),)
    assert "Warning: 7 pixels outside" in report.describe(Report((FIRST,), changes, (), "draft", 9, 7, {}))


def test_the_analysis_table_has_a_row_for_each_face_and_the_reasons_below() -> None:
    edits = (make_edit(FIRST_ANALYSIS, Feature.LEFT_EYE),)
    plan = EditPlan(edits, (Skip(SECOND, Feature.MOUTH, SMILING, 0.8, 0.3),))
    plain = report.describe_analysis((FIRST_ANALYSIS, SECOND_ANALYSIS), plan)
    assert "smiling" in plain and "closed" in plain and "0." not in plain
    lines = report.describe_analysis((FIRST_ANALYSIS, SECOND_ANALYSIS), plan, numbers=True).splitlines()
    assert lines[0] == "Found 2 faces."
    assert lines[3].startswith("1 ") and lines[3].endswith("open the left eye") and "closed" in lines[3]
    assert lines[4].startswith("2 ") and lines[4].endswith("nothing")
    assert "20° right" in lines[4] and "smiling 0.80" in lines[4] and "not smiling 0.10" in lines[3]
    assert lines[-1] == "Face 2, mouth: already smiling."
    # The columns stand under their headings.
    assert lines[2].index("would be done") == lines[3].index("open the") == lines[4].index("nothing")


def test_the_analysis_says_why_no_photo_gives_its_eyes() -> None:
    edits = tuple(make_edit(FIRST_ANALYSIS, eye, no_donor=Cause(Reason.NO_FACE_THERE)) for eye in EYES)
    text = report.describe_analysis((FIRST_ANALYSIS,), EditPlan(edits))
    assert text.endswith("\nFace 1, both eyes: they show no face.")


def test_where_an_eye_comes_from_is_told_before_and_after() -> None:
    donor = make_donor(SECOND_ANALYSIS, "beach.jpg")
    edits = (
        make_edit(FIRST_ANALYSIS, Feature.LEFT_EYE, sources=(donor,)),
        make_edit(FIRST_ANALYSIS, Feature.RIGHT_EYE, sources=(OtherEye(),)),
    )
    plain = report.describe_analysis((FIRST_ANALYSIS,), EditPlan(edits))
    assert "Face 1, the left eye: would come from beach.jpg, face 2." in plain
    text = report.describe_analysis((FIRST_ANALYSIS,), EditPlan(edits), numbers=True)
    assert "Face 1, the left eye: would come from beach.jpg, face 2, distance 0.50." in text
    assert "Face 1, the right eye: would come from the left eye." in text
    changes = tuple(Change(FIRST, edit.feature, 0.05, 0.3, True, 1, source=edit.source) for edit in edits)
    assert "opened both eyes from beach.jpg, face 2 and the left eye." in report.describe(
        make_report(changes, (), (FIRST,))
    )
    after = report.describe(make_report(changes, (), (FIRST,)), numbers=True)
    assert "opened both eyes from beach.jpg, face 2, distance 0.50 and the left eye" in after
    data = report.to_json(make_report(changes, (), (FIRST,)))
    assert [change["donor"] for change in data["changes"]] == [  # type: ignore[attr-defined]
        {"photo": "beach.jpg", "face": 2, "opening": 1.0, "distance": 0.5},
        {"photo": "the left eye", "face": 1, "opening": 1.0},
    ]


def test_json_holds_every_part_and_only_what_json_knows() -> None:
    changes = (Change(FIRST, Feature.MOUTH, 0.123456, float("nan"), False, 1, NOT_RECOGNIZED),)
    data = report.to_json(make_report(changes, (Skip(SECOND, Feature.MOUTH, SMILING),), (FIRST, SECOND)))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data) == [
        "schema_version", "engine", "faces", "changes", "skips", "changed_pixels", "changed_outside", "seconds",
    ]  # fmt: skip
    assert data["schema_version"] == 1
    assert data["changes"] == [
        {
            "face": 1, "feature": "mouth", "before": 0.1235, "after": None, "kept": False, "tries": 1,
            "note": "the face was no longer recognised", "donor": None, "resemblance": None,
        }
    ]  # fmt: skip
    assert data["skips"] == [
        {
            "face": 2, "feature": "mouth", "reason": "already smiling", "reason_code": "smiling",
            "measured": None, "threshold": None,
        }
    ]  # fmt: skip


def test_the_analysis_has_edits_where_the_report_has_changes() -> None:
    data = report.analysis_to_json((FIRST_ANALYSIS,), EditPlan((make_edit(FIRST_ANALYSIS),)))
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
    drawn = drawing.draw_analysis(pixels, (face,), EditPlan((make_edit(make_analysis(face, pixels)),)))
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
