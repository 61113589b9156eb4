"""Describes what was found and done: text for people, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from edit.plan import Change, Donor, Edit, EditPlan, OtherEye, Report, Skip, Source
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.expression import SMILE, name_eye
from face.types import EYES, Face, Feature
from photo.names import show
from photo.types import Box

JSON_SCHEMA_VERSION = 1
"""Rises when a key of the JSON report is renamed, removed or changes its meaning; new keys leave it as it is."""


_STRAIGHT_DEGREES = 6.0  # a pose below this reads as looking straight at the camera


_SENTENCES = {
    Reason.SWITCHED_OFF: "{what} is switched off",
    Reason.NOT_CHOSEN: "this face was not chosen",
    Reason.TOO_SMALL: "the face is too small to tell|: its outer eye corners are {distance:.0f} px apart, "
    "{least:.0f} px are needed",
    Reason.CUT_OFF: "it is cut off by the edge of the photo",
    Reason.OUTSIDE: "it lies outside the photo",
    Reason.TURNED_AWAY: "the head is turned too far to the side| ({degrees:.0f}°)",
    Reason.UNSURE_COVERED: "something, such as a hand, lies over a part of the face: not sure enough; --eyes always or "
    "--smile always edits it",
    Reason.UNSURE_STONE: "the face has hardly any colour, as a statue's: not sure enough; --eyes always or "
    "--smile always edits it",
    Reason.KEPT_BY_HAND: "everything there was painted over to be kept",
    Reason.OPEN: "open already",
    Reason.OPEN_BESIDE_CLOSED: "open already; the other eye is closed, as in a wink, and counts as a closed eye",
    Reason.NARROWED_BY_SMILE: "not closed, only narrowed by the smile",
    Reason.LOWERED: "not closed, only lowered or half open",
    Reason.UNSURE_LAUGHING: "closed, or only narrowed by laughing: that is not sure enough; --eyes always opens it",
    Reason.UNSURE_LOWERED: "closed, or only looking down: that is not sure enough; --eyes always opens it",
    Reason.UNSURE_HALF_SHUT: "closed, or half shut like the other eye: that is not sure enough; --eyes always opens it",
    Reason.UNSURE_CRYING: "shut, as in crying or screaming; --eyes always opens it",
    Reason.UNSURE_ASLEEP: "closed, as in an infant's sleep; --eyes always opens it",
    Reason.UNSURE_SMALL: "closed, or in the shadow of the brow: on so small a face that is not sure enough; "
    "--eyes always opens it",
    Reason.UNSURE_READINGS: "closed in one reading and not in the next: not sure enough; --eyes always opens it",
    Reason.UNSURE_BLURRED: "closed, or lowered: the face is too blurred to be sure; --eyes always opens it",
    Reason.UNDER_DARK_GLASS: "it is covered by something dark, such as sunglasses",
    Reason.NO_LASH_LINE: "no lash line is seen there: a hand or hair may lie over it",
    Reason.OTHER_STAYS_CLOSED: "the other eye has to stay closed, and one open eye would look like a wink",
    Reason.NO_STRENGTH: "a smile of strength 0 was asked for",
    Reason.SMILING: "already smiling",
    Reason.SMILING_A_LITTLE: "already smiling a little",
    Reason.MOUTH_OPEN: "the mouth is wide open, as in talking or singing",
    Reason.UNSURE_TEETH: "its teeth show, so it may smile, cry or speak: not sure enough; --smile always edits it",
    Reason.UNSURE_MOVED: "it may smile, speak, cry or rage already: not sure enough; --smile always edits it",
    Reason.UNSURE_MOOD: "the eyes look down, laugh, cry or sleep, so a smile may not suit; --smile always edits it",
    Reason.UNSURE_BENT: "the head is bent, so a smile may not suit; --smile always edits it",
    Reason.UNSURE_POUT: "the lips are pursed, so a smile may not suit; --smile always edits it",
    Reason.OUT_OF_FOCUS: "the face is too blurred beside the others to tell whether it smiles",
    Reason.MOUTH_COVERED: "the mouth is covered, or cannot be told from what is around it",
    Reason.NOT_RECOGNIZED: "the face was no longer recognised",
    Reason.EYE_NOT_OPEN: "the eye did not come out clearly open",
    Reason.DONOR_EYE_NOT_OPEN: "the eye from {name} did not come out clearly open",
    Reason.NO_CLEAR_SMILE: "the smile did not come out clearly",
    Reason.OTHER_EYE_FAILED: "the other eye did not come out, and one open eye would look like a wink",
    Reason.IDENTITY_LOST: "it no longer looked like the same person| (resemblance {similarity:.2f})",
    Reason.PAINTER_FAILED: "{text}",
    Reason.NO_FACE_PAINTED: "something else than a face came out",
    Reason.PAINTED_OFF: "it came out in another place| ({shift:.1f} pixels)",
    Reason.PAINTED_AROUND: "what lies around it came out as something else",
    Reason.DRAFT_KEPT: "the draft was kept: with {engine} {why}",
    Reason.NOTHING_FROM: "{what} comes from {among}: {why}",
    Reason.DROPPED: "taken from {name}, {why}{what}",
    Reason.KNOWN_COLOR: "in the colour that the eyes of {who} have in {photos:.0f} photos",
    Reason.NO_DONOR_KNOWN_COLOR: "in the colour that the eyes of {who} have in {photos:.0f} photos; {why}",
    Reason.NO_FACE_THERE: "they show no face",
    Reason.NOBODY_ALIKE: "nobody in them is clearly this person| (distance {distance:.2f}, below {most:.2f} is needed)",
    Reason.SEVERAL_ALIKE: "nobody in them is clearly this person (several faces look alike)",
    Reason.THERE_EYES_CLOSED: "the eyes are not clearly open in {name}",
    Reason.THERE_EYES_CUT_OFF: "the eyes are cut off by the edge of the photo in {name}",
    Reason.THERE_NO_SMILE: "the mouth does not smile clearly in {name}| (smile score {smile:.2f})",
    Reason.THERE_MOUTH_CUT_OFF: "the mouth is cut off by the edge of the photo in {name}",
    Reason.THERE_LOOKS_AWAY: "the eyes look away from the camera in {name}",
    Reason.THERE_TURNED: "the head is turned too differently in {name}| ({degrees:.0f}°)",
    Reason.THERE_TOO_SMALL: "the face is too small in {name}| ({ratio:.2f} of the size here)",
    Reason.THERE_TOO_PALE: "the colours are too pale in {name}",
    Reason.THERE_BLURRED: "the face is blurred in {name}",
    Reason.THERE_LOOKS_DIFFERENT: "what surrounds the eyes looks different in {name}, as with other glasses or hair"
    "| ({agreement:.2f}, {least:.2f} is needed)",
}
"""The sentence of each reason, without its full stop; what follows a bar is what was measured."""


def explain(cause: Cause, *, numbers: bool = True) -> str:
    """Return the sentence of a cause, without its full stop, with or without the numbers that were measured."""
    values = {
        name: explain(value, numbers=numbers)
        if isinstance(value, Cause)
        else show(value)
        if isinstance(value, str)
        else value
        for name, value in cause.values.items()
    }
    sentence, _, measured = _SENTENCES[cause.reason].partition("|")
    return (sentence + measured if numbers else sentence).format(**values)


def describe(report: Report, *, numbers: bool = False) -> str:
    """Return what was found, done and left alone, as lines of plain text without a final line break.

    With `numbers` what was measured is told, too.
    """
    lines = [_count_faces(report.faces)]
    lines += [f"Face {face.number}: {describe_outcome(report, face, numbers=numbers)}" for face in report.faces]
    if not any(change.kept for change in report.changes):
        lines.append("Nothing was changed: the photo stays as it was.")
    elif report.changed_outside:
        lines.append(f"Warning: {report.changed_outside:,} pixels outside the masks changed.")
    else:
        lines.append(f"Edited {report.changed_pixels:,} pixels and touched no other.")
    return "\n".join(lines)


def describe_outcome(report: Report, face: Face, *, numbers: bool = False) -> str:
    """Return what was done to one face of the report and what was left alone, as sentences."""
    changes = [change for change in report.changes if change.face.number == face.number]
    skips = [skip for skip in report.skips if skip.face.number == face.number]
    return _describe_face(changes, skips, numbers)


def describe_analysis(analyses: Sequence[FaceAnalysis], plan: EditPlan, *, numbers: bool = False) -> str:
    """Return a table of the faces and what would be done to each, with the reasons below it, as plain text.

    With `numbers` what was measured is told, too.
    """
    faces = [analysis.face for analysis in analyses]
    if not faces:
        return _count_faces(faces)
    rows: list[tuple[str, ...]] = [("face", "width", "right eye", "left eye", "mouth", "turned", "would be done")]
    reasons = []
    for analysis in analyses:
        face = analysis.face
        edits = [edit for edit in plan.edits if edit.face.number == face.number]
        wanted = [edit.feature for edit in edits]
        rows.append(
            (
                str(face.number),
                f"{face.box.width} px",
                *(_describe_eye(analysis, feature, numbers) for feature in EYES),
                _describe_mouth(face, plan, numbers),
                _describe_pose(face),
                _name_wanted(wanted) or "nothing",
            )
        )
        for source, features in _group((_describe_source(edit, numbers), edit.feature) for edit in edits):
            if source:
                reasons.append(f"Face {face.number}, {_name_features(features)}: {source}.")
        own = [skip for skip in plan.skips if skip.face.number == face.number]
        for reason, features in _group((explain(skip.cause, numbers=numbers), skip.feature) for skip in own):
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
                "note": _explain_note(change.note, numbers=True),
                "resemblance": _number(change.similarity),
                "donor": _source_to_json(change, change.source),
            }
            for change in report.changes
        ],
        "skips": [_skip_to_json(skip) for skip in report.skips],
        "changed_pixels": report.changed_pixels,
        "changed_outside": report.changed_outside,
        "seconds": {step: _number(seconds) for step, seconds in report.seconds.items()},
    }


def analysis_to_json(analyses: Sequence[FaceAnalysis], plan: EditPlan) -> dict[str, object]:
    """Return what was found and would be done, in the form of `to_json`, with `edits` instead of `changes`."""
    return {
        "schema_version": JSON_SCHEMA_VERSION,
        "faces": [_face_to_json(analysis.face) for analysis in analyses],
        "edits": [
            {
                "face": edit.face.number,
                "feature": edit.feature.value,
                "measured": _number(edit.measured),
                "threshold": _number(edit.threshold),
                "amount": _number(edit.amount),
                "box": _box_to_json(edit.region.box),
                "note": _explain_note(edit.no_donor, numbers=True),
                "donor": _source_to_json(edit, edit.source),
            }
            for edit in plan.edits
        ],
        "skips": [_skip_to_json(skip) for skip in plan.skips],
    }


def _count_faces(faces: Sequence[Face]) -> str:
    if not faces:
        return "Found no face."
    return "Found 1 face." if len(faces) == 1 else f"Found {len(faces)} faces."


def _describe_face(changes: Sequence[Change], skips: Sequence[Skip], numbers: bool) -> str:
    """What was done to one face and what was left alone, as sentences."""
    done = [*_describe_eyes_done(changes, numbers), *_describe_smile_done(changes, numbers)]
    sentences = [" and ".join(done) or "left alone"]
    given_up = ((_explain_note(change.note, numbers), change.feature) for change in changes if not change.kept)
    for note, features in _group(given_up):
        sentences.append(f"{_name_features(features).capitalize()} put back as before{': ' + note if note else ''}")
    alike = [change.similarity for change in changes if change.kept and change.similarity is not None]
    if alike and numbers:
        sentences.append(f"Resemblance to before {min(alike):.2f} of 1")
    reasons = _group((explain(skip.cause, numbers=numbers), skip.feature) for skip in skips)
    if len(reasons) == 1 and len(sentences) == 1 and not done:
        return f"left alone: {reasons[0][0]}."
    sentences += [f"{_name_features(features).capitalize()}: {reason}" for reason, features in reasons]
    return ". ".join(sentences) + "."


def _describe_eyes_done(changes: Sequence[Change], numbers: bool) -> list[str]:
    opened = [change for change in changes if change.kept and change.feature in EYES]
    if not opened:
        return []
    before = sum(change.before for change in opened) / len(opened)
    after = sum(change.after for change in opened) / len(opened)
    sentences = dict.fromkeys(_explain_note(change.note, numbers) for change in opened)
    measured = f"eye aspect ratio {before:.2f} → {after:.2f}" if numbers else ""
    what = _name_features([change.feature for change in opened]) + _describe_sources(opened, numbers)
    return [f"opened {what}{_put_in_brackets(measured, *sentences)}"]


def _put_in_brackets(*parts: str) -> str:
    """The parts that are not empty, after a space; nothing if all are."""
    told = "; ".join(filter(None, parts))
    return f" ({told})" if told else ""


def _explain_note(cause: Cause | None, numbers: bool) -> str:
    """The sentence of a cause, empty without one."""
    return "" if cause is None else explain(cause, numbers=numbers).rstrip(".")


def _describe_sources(changes: Sequence[Change], numbers: bool) -> str:
    """The sources of eyes or a smile, with the distance of that face from this one; empty where they are rendered."""
    names = dict.fromkeys(name for change in changes if (name := _name_source(change, change.source, numbers)))
    return f" from {' and '.join(names)}" if names else ""


def _name_source(change: Change | Edit, source: Source | None, numbers: bool) -> str:
    if isinstance(source, OtherEye):
        return f"the {change.feature.other_eye.value}"
    if not isinstance(source, Donor):
        return ""
    distance = f", distance {source.measured['distance']:.2f}" if numbers else ""
    return f"{show(source.name)}, face {source.face.number}{distance}"


def _describe_source(edit: Edit, numbers: bool) -> str:
    """The source of a planned edit, or why it is rendered; empty if no other source was looked for."""
    name = _name_source(edit, edit.source, numbers)
    return f"would come from {name}" if name else _explain_note(edit.no_donor, numbers)


def _describe_smile_done(changes: Sequence[Change], numbers: bool) -> list[str]:
    sentences = []
    for change in changes:
        if change.kept and change.feature is Feature.MOUTH:
            measured = f"smile score {change.before:.2f} → {change.after:.2f}" if numbers else ""
            details = _put_in_brackets(measured, _explain_note(change.note, numbers))
            sentences.append(f"made the mouth smile{_describe_sources([change], numbers)}{details}")
    return sentences


def _name_wanted(features: Sequence[Feature]) -> str:
    eyes = [feature for feature in features if feature in EYES]
    wanted = [f"open {_name_features(eyes)}"] if eyes else []
    return ", ".join([*wanted, "make the mouth smile"] if Feature.MOUTH in features else wanted)


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


def _describe_eye(analysis: FaceAnalysis, feature: Feature, numbers: bool) -> str:
    state = name_eye(analysis.closed, analysis.closedness[feature], analysis.doubt, feature)
    return f"{state.value} {analysis.face.eye(feature).aspect_ratio:.2f}" if numbers else state.value


def _describe_mouth(face: Face, plan: EditPlan, numbers: bool) -> str:
    decisions: list[Edit | Skip] = [*plan.edits, *plan.skips]
    thresholds = [
        decision.threshold
        for decision in decisions
        if decision.face.number == face.number and decision.feature is Feature.MOUTH and decision.threshold is not None
    ]
    is_smiling = face.smile >= (thresholds[0] if thresholds else SMILE)
    state = "smiling" if is_smiling else "not smiling"
    return f"{state} {face.smile:.2f}" if numbers else state


def _describe_pose(face: Face) -> str:
    """The pose as it appears in the photo: left and right are the viewer's here."""
    turns = (
        (face.yaw_degrees, "right", "left"),
        (face.pitch_degrees, "down", "up"),
        (face.roll_degrees, "clockwise", "anticlockwise"),
    )
    turned = [
        f"{abs(degrees):.0f}° {positive if degrees > 0 else negative}"
        for degrees, positive, negative in turns
        if abs(degrees) >= _STRAIGHT_DEGREES
    ]
    return ", ".join(turned) or "straight"


def _number(value: float | None) -> float | None:
    """A number rounded to four digits; None if it is not finite."""
    return None if value is None or not math.isfinite(value) else round(float(value), 4)


def _source_to_json(change: Change | Edit, source: Source | None) -> dict[str, object] | None:
    if isinstance(source, OtherEye):
        return {"photo": f"the {change.feature.other_eye.value}", "face": change.face.number, "opening": 1.0}
    if not isinstance(source, Donor):
        return None
    measured = {name: _number(value) for name, value in source.measured.items()}
    return {"photo": source.name, "face": source.face.number, "opening": _number(source.opening), **measured}


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
        "reason": explain(skip.cause),
        "reason_code": skip.cause.reason.value,
        "measured": _number(skip.measured),
        "threshold": _number(skip.threshold),
    }
