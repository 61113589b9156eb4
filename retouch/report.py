"""Says what was found and done: words for people, JSON for programs, a picture with numbered boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from edit.plan import Change, Donor, Edit, EditPlan, Report, Skip
from face.types import EYES, Face, Feature
from photo.types import Box

JSON_SCHEMA_VERSION = 1
"""Rises when a key of the JSON report is renamed, removed or changes its meaning; new keys leave it as it is."""


# Words for the table only; what is edited is decided where the plan is made, from more than these.
_CLOSED_ASPECT_RATIO = 0.15
_CLOSED_BLINK = 0.6
_NARROW_ASPECT_RATIO = 0.20
_SMILE = 0.5  # where the plan names no threshold of its own
_STRAIGHT_DEGREES = 6.0  # a pose below this reads as looking straight at the camera


def describe(report: Report) -> str:
    """Return what was found, done and left alone, as lines of plain words without a final line break."""
    lines = [_count_faces(report.faces)]
    lines += [f"Face {face.number}: {describe_outcome(report, face)}" for face in report.faces]
    if not any(change.kept for change in report.changes):
        lines.append("Nothing was changed: the result is the photo as it was.")
    elif report.changed_outside:
        lines.append(f"Warning: {report.changed_outside:,} pixels outside the masks changed.")
    else:
        lines.append(f"Edited {report.changed_pixels:,} pixels and touched no other.")
    return "\n".join(lines)


def describe_outcome(report: Report, face: Face) -> str:
    """Return what was done to one face of the report and what was left alone, as sentences."""
    changes = [change for change in report.changes if change.face.number == face.number]
    skips = [skip for skip in report.skips if skip.face.number == face.number]
    return _describe_face(changes, skips)


def describe_analysis(faces: Sequence[Face], plan: EditPlan) -> str:
    """Return a table of the faces and what would be done to each, and under it why not, as plain text."""
    if not faces:
        return _count_faces(faces)
    rows: list[tuple[str, ...]] = [("face", "width", "right eye", "left eye", "mouth", "turned", "would be done")]
    reasons = []
    for face in faces:
        edits = [edit for edit in plan.edits if edit.face.number == face.number]
        wanted = [edit.feature for edit in edits]
        rows.append(
            (
                str(face.number),
                f"{face.box.width} px",
                *(_describe_eye(face, feature, feature in wanted) for feature in EYES),
                _describe_mouth(face, plan),
                _describe_pose(face),
                _describe_wishes(wanted) or "nothing",
            )
        )
        for source, features in _group((_describe_source(edit), edit.feature) for edit in edits):
            if source:
                reasons.append(f"Face {face.number}, {_name_features(features)}: {source}.")
        own_skips = ((skip.reason, skip.feature) for skip in plan.skips if skip.face.number == face.number)
        for reason, features in _group(own_skips):
            reasons.append(f"Face {face.number}, {_name_features(features)}: {reason}.")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([_count_faces(faces), "", *table, *([""] if reasons else []), *reasons])


def to_json(report: Report) -> dict[str, object]:
    """Return the report as plain dicts, lists, numbers and strings, ready for `json.dumps`.

    Ratios and scores are rounded to four digits; a number that is not finite becomes None.
    """
    return {
        "schema_version": JSON_SCHEMA_VERSION,
        "engine": report.engine,
        "faces": [_face_to_json(face) for face in report.faces],
        "changes": [
            {
                "face": change.face.number,
                "feature": change.feature.value,
                "before": _number(change.before),
                "after": _number(change.after),
                "kept": change.kept,
                "tries": change.tries,
                "note": change.note,
                "resemblance": _number(change.similarity),
                "donor": _donor_to_json(change.donor),
            }
            for change in report.changes
        ],
        "skips": [_skip_to_json(skip) for skip in report.skips],
        "changed_pixels": report.changed_pixels,
        "changed_outside": report.changed_outside,
        "seconds": {step: _number(seconds) for step, seconds in report.seconds.items()},
    }


def analysis_to_json(faces: Sequence[Face], plan: EditPlan) -> dict[str, object]:
    """Return what was found and would be done, in the form of `to_json`, with `edits` instead of `changes`."""
    return {
        "schema_version": JSON_SCHEMA_VERSION,
        "faces": [_face_to_json(face) for face in faces],
        "edits": [
            {
                "face": edit.face.number,
                "feature": edit.feature.value,
                "measured": _number(edit.measured),
                "threshold": _number(edit.threshold),
                "amount": _number(edit.amount),
                "box": _box_to_json(edit.region.box),
                "note": edit.no_donor,
                "donor": _donor_to_json(edit.donor),
            }
            for edit in plan.edits
        ],
        "skips": [_skip_to_json(skip) for skip in plan.skips],
    }


def _count_faces(faces: Sequence[Face]) -> str:
    if not faces:
        return "Found no face."
    return "Found 1 face." if len(faces) == 1 else f"Found {len(faces)} faces."


def _describe_face(changes: Sequence[Change], skips: Sequence[Skip]) -> str:
    done = [*_describe_eyes_done(changes), *_describe_smile_done(changes)]
    sentences = [" and ".join(done) or "left alone"]
    for note, features in _group((change.note, change.feature) for change in changes if not change.kept):
        sentences.append(f"{_name_features(features).capitalize()} put back as before{': ' + note if note else ''}")
    alike = [change.similarity for change in changes if change.kept and change.similarity is not None]
    if alike:
        sentences.append(f"Resemblance to before {min(alike):.2f} of 1")
    reasons = _group((skip.reason, skip.feature) for skip in skips)
    if len(reasons) == 1 and len(sentences) == 1 and not done:
        return f"left alone: {reasons[0][0]}."
    sentences += [f"{_name_features(features).capitalize()}: {reason}" for reason, features in reasons]
    return ". ".join(sentences) + "."


def _describe_eyes_done(changes: Sequence[Change]) -> list[str]:
    opened = [change for change in changes if change.kept and change.feature in EYES]
    if not opened:
        return []
    before = sum(change.before for change in opened) / len(opened)
    after = sum(change.after for change in opened) / len(opened)
    notes = "".join(f"; {note}" for note in dict.fromkeys(change.note.rstrip(".") for change in opened) if note)
    what = _name_features([change.feature for change in opened]) + _describe_donors(opened)
    return [f"opened {what} (eye aspect ratio {before:.2f} → {after:.2f}{notes})"]


def _describe_donors(changes: Sequence[Change]) -> str:
    """Where eyes or a smile were carried over from, and how near that face is to this one; empty if from nowhere."""
    donors = {id(change.donor): change.donor for change in changes if change.donor is not None}
    return f" from {' and '.join(_name_donor(donor) for donor in donors.values())}" if donors else ""


def _name_donor(donor: Donor) -> str:
    place = donor.name if donor.mirrored else f"{donor.name}, face {donor.face.number}"
    return place + (f", distance {donor.measured['distance']:.2f}" if "distance" in donor.measured else "")


def _describe_source(edit: Edit) -> str:
    """Where an eye or a smile would be carried over from, or why from nowhere; empty if nobody asked."""
    return edit.no_donor if edit.donor is None else f"would come from {_name_donor(edit.donor)}"


def _describe_smile_done(changes: Sequence[Change]) -> list[str]:
    return [
        f"made the mouth smile{_describe_donors([change])} (smile score {change.before:.2f} → {change.after:.2f}"
        f"{'; ' + change.note.rstrip('.') if change.note else ''})"
        for change in changes
        if change.kept and change.feature is Feature.MOUTH
    ]


def _describe_wishes(features: Sequence[Feature]) -> str:
    eyes = [feature for feature in features if feature in EYES]
    wishes = [f"open {_name_features(eyes)}"] if eyes else []
    return ", ".join([*wishes, "make the mouth smile"] if Feature.MOUTH in features else wishes)


def _group(pairs: Iterable[tuple[str, Feature]]) -> list[tuple[str, list[Feature]]]:
    """Gather the features that share a reason, in the order in which the reasons first come."""
    groups: dict[str, list[Feature]] = {}
    for reason, feature in pairs:
        groups.setdefault(reason.rstrip("."), []).append(feature)
    return list(groups.items())


def _name_features(features: Sequence[Feature]) -> str:
    names = [feature.value for feature in features]
    if set(EYES) <= set(features):
        names = ["both eyes", *(feature.value for feature in features if feature not in EYES)]
    elif len(features) == 1 and features[0] in EYES:
        names = [f"the {features[0].value}"]
    return " and ".join(names)


def _describe_eye(face: Face, feature: Feature, is_edited: bool) -> str:
    ratio, blink = face.eye(feature).aspect_ratio, face.blink(feature)
    if is_edited or (ratio < _CLOSED_ASPECT_RATIO and blink > _CLOSED_BLINK):
        word = "closed"
    else:
        word = "narrow" if ratio < _NARROW_ASPECT_RATIO else "open"
    return f"{word} {ratio:.2f}"


def _describe_mouth(face: Face, plan: EditPlan) -> str:
    wishes: list[Edit | Skip] = [*plan.edits, *plan.skips]
    thresholds = [
        wish.threshold
        for wish in wishes
        if wish.face.number == face.number and wish.feature is Feature.MOUTH and wish.threshold is not None
    ]
    is_smiling = face.smile >= (thresholds[0] if thresholds else _SMILE)
    return f"{'smiling' if is_smiling else 'not smiling'} {face.smile:.2f}"


def _describe_pose(face: Face) -> str:
    """The pose as it looks in the picture: left and right are the viewer's here."""
    turns = (
        (face.yaw_degrees, "right", "left"),
        (face.pitch_degrees, "down", "up"),
        (face.roll_degrees, "clockwise", "anticlockwise"),
    )
    words = [
        f"{abs(degrees):.0f}° {positive if degrees > 0 else negative}"
        for degrees, positive, negative in turns
        if abs(degrees) >= _STRAIGHT_DEGREES
    ]
    return ", ".join(words) or "straight"


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 4)


def _donor_to_json(donor: Donor | None) -> dict[str, object] | None:
    if donor is None:
        return None
    measured = {name: _number(value) for name, value in donor.measured.items()}
    return {"photo": donor.name, "face": donor.face.number, "opening": _number(donor.opening), **measured}


def _box_to_json(box: Box) -> dict[str, int]:
    return {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}


def _face_to_json(face: Face) -> dict[str, object]:
    return {
        "number": face.number,
        "box": _box_to_json(face.box),
        "confidence": _number(face.confidence),
        "eye_distance_px": _number(face.landmarks.eye_distance_px),
        "right_eye": {
            "aspect_ratio": _number(face.landmarks.right_eye.aspect_ratio),
            "blink": _number(face.blink(Feature.RIGHT_EYE)),
        },
        "left_eye": {
            "aspect_ratio": _number(face.landmarks.left_eye.aspect_ratio),
            "blink": _number(face.blink(Feature.LEFT_EYE)),
        },
        "smile": _number(face.smile),
        "yaw_degrees": _number(face.yaw_degrees),
        "pitch_degrees": _number(face.pitch_degrees),
        "roll_degrees": _number(face.roll_degrees),
    }


def _skip_to_json(skip: Skip) -> dict[str, object]:
    return {
        "face": skip.face.number,
        "feature": skip.feature.value,
        "reason": skip.reason,
        "measured": _number(skip.measured),
        "threshold": _number(skip.threshold),
    }
