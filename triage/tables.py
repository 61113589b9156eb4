"""Verdicts as text: a table for the terminal, CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import isfinite

from photo.names import show
from triage.verdict import FaceVerdict, PhotoVerdict, Verdict

SCHEMA_VERSION = 1
"""Rises when a key of the JSON is renamed, removed or changes its meaning; new keys leave it as it is."""

NAMES = {
    Verdict.FINE: "all fine",
    Verdict.FIXABLE: "can be fixed",
    Verdict.UNSURE: "unsure",
    Verdict.CANNOT: "cannot be fixed",
    Verdict.NO_FACE: "no face",
    Verdict.UNREADABLE: "cannot be read",
}
"""The verdicts in words."""

_COLUMNS = (
    "photo", "scene", "best of scene", "taken", "verdict", "in words", "face", "right eye", "left eye", "smile",
    "smiling", "looks at camera", "sharpness", "face verdict", "why",
)  # fmt: skip
CSV_HEAD = ",".join(_COLUMNS)
"""The first line of every CSV, by which it is known."""

_NAME_WIDTH, _WHY_WIDTH = 34, 78
# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def describe_verdicts(verdicts: Sequence[PhotoVerdict]) -> str:
    """Return a table of the photos, scene by scene, and how many there are of each verdict, as plain text."""
    rows: list[str] = []
    width = min(max((len(show(one.path.name)) for one in verdicts), default=5), _NAME_WIDTH)
    words = max((len(one.words) for one in verdicts if not one.error), default=7)
    rows.append(f"  {'photo':{width}}  {'verdict':{words}}  why")
    for number, group in groupby(verdicts, key=lambda one: one.scene):
        frames = list(group)
        if len(frames) > 1:
            rows.append(_describe_scene(number, frames))
        for one in frames:
            name = show(one.path.name)
            lines = textwrap.wrap(" ".join(one.reasons) or one.error, _WHY_WIDTH) or [""]
            verdict = NAMES[Verdict.UNREADABLE] if one.error else one.words
            rows.append(f"{'*' if one.is_best else ' '} {name:{width}}  {verdict:{words}}  {lines[0]}".rstrip())
            rows += [f"  {'':{width}}  {'':{words}}  {line}" for line in lines[1:]]
    return "\n".join([*rows, "", count_verdicts(verdicts)])


def count_verdicts(verdicts: Sequence[PhotoVerdict]) -> str:
    """Return how many photos there are of each verdict, as a sentence."""
    counts = {verdict: sum(one.verdict is verdict for one in verdicts) for verdict in Verdict}
    parts = [f"{count} {NAMES[verdict]}" for verdict, count in counts.items() if count]
    return f"{len(verdicts)} {'photo' if len(verdicts) == 1 else 'photos'}: {', '.join(parts)}."


def _describe_scene(number: int, frames: Sequence[PhotoVerdict]) -> str:
    best = [show(one.path.name) for one in frames if one.is_best]
    text = f"scene {number}, {len(frames)} frames"
    if best:
        text += f"; best *{best[0]}"
    if blinking := describe_blinks(frames):
        text += f"; {blinking}"
    return text


def describe_blinks(frames: Sequence[PhotoVerdict]) -> str:
    """Return who blinks in which frames of a scene, by the numbers of faces in each; empty if nobody does."""
    parts = []
    for one in frames:
        blinking = [str(face.number) for face in one.faces if face.blinks]
        if blinking:
            several = f"{', '.join(blinking[:-1])} and {blinking[-1]}"
            who = f"face {blinking[0]} blinks" if len(blinking) == 1 else f"faces {several} blink"
            parts.append(f"in {show(one.path.name)} {who}")
    return ", ".join(parts)


def make_csv(verdicts: Sequence[PhotoVerdict]) -> str:
    """Return a CSV with a line for every face, and one for every photo without; no cell is taken for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in verdicts:
        head = [show(one.path), one.scene, _yes(one.is_best), _write_moment(one.taken), one.verdict.value, one.words]
        for face in one.faces:
            why = "; ".join((*face.fixes, *face.obstacles, *face.doubts))
            looks = "" if face.looks_at_camera is None else _yes(face.looks_at_camera)
            cells = [
                face.number, *face.eyes, f"{face.smile:.2f}", _yes(face.is_smiling), looks, f"{face.sharpness:.2f}",
                face.verdict.value, why,
            ]  # fmt: skip
            writer.writerow(map(_defuse, (*head, *cells)))
        if not one.faces:
            writer.writerow(map(_defuse, (*head, *[""] * (len(_COLUMNS) - len(head)))))
    return file.getvalue()


def make_json(verdicts: Sequence[PhotoVerdict], stopped: tuple[int, int] | None) -> str:
    """Return everything that was measured as JSON in ASCII; `stopped` is how many photos of how many were judged."""
    data: dict[str, object] = {"schema_version": SCHEMA_VERSION, "photos": [_photo_to_json(one) for one in verdicts]}
    if stopped is not None:
        data["stopped"] = {"done": stopped[0], "of": stopped[1]}
    return json.dumps(data, indent=2) + "\n"


def _photo_to_json(one: PhotoVerdict) -> dict[str, object]:
    return {
        "input": str(one.path),
        "output": None,
        "scene": one.scene,
        "best_of_scene": one.is_best,
        "taken": _write_moment(one.taken) or None,
        "width": one.size[0],
        "height": one.size[1],
        "verdict": one.verdict.value,
        "words": one.words,
        **({"error": one.error} if one.error else {}),
        "faces": [_face_to_json(face) for face in one.faces],
    }


def _face_to_json(face: FaceVerdict) -> dict[str, object]:
    return {
        "number": face.number,
        "box": [round(side, 4) for side in face.box],
        "verdict": face.verdict.value,
        "right_eye": face.eyes[0],
        "left_eye": face.eyes[1],
        "smile": _round(face.smile),
        "is_smiling": face.is_smiling,
        "looks_at_camera": face.looks_at_camera,
        "sharpness": _round(face.sharpness),
        "fixes": list(face.fixes),
        "unsure": list(face.doubts),
        "obstacles": list(face.obstacles),
    }


def _round(value: float) -> float | None:
    return round(float(value), 4) if isfinite(value) else None


def _write_moment(taken: float | None) -> str:
    """A moment by the camera's clock, which knows no time zone."""
    return "" if taken is None else datetime.fromtimestamp(taken, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _defuse(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
