"""Was the right thing decided? What the program does with labelled photos against what is right for them.

    python -m benchmark.decisions FOLDER … [--list]

Each folder holds photos and a `labels.csv` in one of two forms, told by its columns:

- `file, eyes, smile`, a row for each photo: `eyes` is open, leave, any, or "both or none" (opening one eye alone would
  be wrong); `smile` is smile, leave, any or warn.
- `path, face, open, smile`, a row for each face, numbered as by `--analyze`: `open` is both, right, left or none, the
  sides being the person's own; `smile` is add, leave or any.

Other columns are passed over. Photos are really edited, by the draft engine, so an edit that did not pass the check
counts as left. Printed are, for eyes and for smiles, how often what is right was done, left as unsure, or left; the
share of the edits that are right (precision), and of what is to be edited that is (recall); the same by lightness of
the skin and by size; with `--list` every case that went wrong.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.people import SKINS, name_skin
from edit.options import Options
from edit.plan import FixResult
from face.analysis import FaceAnalysis
from face.types import EYES, Feature
from photo.errors import BadOption, FixError
from photo.files import load_photo
from photo.measure import LUMA
from retouch.engines import make_draft
from retouch.pipeline import analyze, fix_photo

EDITED, UNSURE, LEFT = "edited", "unsure", "left"
DONE = (EDITED, UNSURE, LEFT)
"""What was done with an eye or a mouth."""

# Faces are small, medium or large by the distance of their eyes.
_SIZES = {"small": 60.0, "medium": 120.0, "large": float("inf")}
_EYES = {"open": True, "both": True, "leave": False, "none": False, "any": None, "both or none": None}
_SMILES = {"smile": True, "add": True, "leave": False, "any": None, "warn": None}


@dataclass(frozen=True)
class Case:
    """One decision: on the eyes or the smile of a face, or of all faces of a photo.

    `wanted` is whether it is to be edited, None where both are right. `is_right` judges an edit where one was made.
    """

    photo: str
    what: str
    wanted: bool | None
    done: str
    is_right: bool
    groups: tuple[str, ...]


def judge_photo(path: Path, rows: Sequence[dict[str, str]]) -> list[Case]:
    """Return the decisions on one photo, whose labels are `rows`. Raises FixError when it cannot be read."""
    photo = load_photo(path)
    analyses = analyze(photo.pixels)
    result = fix_photo(photo, Options(), make_draft(Options()), analyses=analyses)
    if "face" not in rows[0]:
        return _judge(path.name, rows[0]["eyes"], rows[0]["smile"], result, analyses)
    by_number = {analysis.face.number: analysis for analysis in analyses}
    cases = []
    for row in rows:
        analysis = by_number.get(int(row["face"]))
        if analysis is None:
            raise BadOption(f"{path.name}: the labels name face {row['face']}, and {len(analyses)} were found.")
        cases += _judge(f"{path.name}, face {row['face']}", row["open"], row["smile"], result, [analysis])
    return cases


def _judge(name: str, eyes: str, smile: str, result: FixResult, analyses: Sequence[FaceAnalysis]) -> list[Case]:
    """The decisions on some faces of a photo that share their labels."""
    numbers = {analysis.face.number for analysis in analyses}
    kept = {
        (change.face.number, change.feature)
        for change in result.report.changes
        if change.kept and change.face.number in numbers
    }
    unsure = {
        skip.feature
        for skip in result.report.skips
        if skip.face.number in numbers and skip.cause.reason.value.startswith("unsure")
    }
    groups = tuple(dict.fromkeys(group for analysis in analyses for group in _find_groups(analysis)))
    opened = {(number, feature) for number, feature in kept if feature in EYES}
    one_alone = any((number, feature.other_eye) not in opened for number, feature in opened)
    if eyes in ("right", "left"):
        wanted, right = True, {feature for _, feature in opened} == {Feature(f"{eyes} eye")}
    else:
        wanted = _look_up(eyes, _EYES)  # type: ignore[assignment]
        right = wanted is not False and not (one_alone and eyes == "both or none")
    done = EDITED if opened else UNSURE if unsure & set(EYES) else LEFT
    smiles = any(feature is Feature.MOUTH for _, feature in kept)
    wants_smile = _look_up(smile, _SMILES)
    done_mouth = EDITED if smiles else UNSURE if Feature.MOUTH in unsure else LEFT
    return [
        Case(name, "eyes", wanted, done, right, groups),
        Case(name, "smile", wants_smile, done_mouth, wants_smile is not False, groups),
    ]


def _look_up(word: str, known: dict[str, bool | None]) -> bool | None:
    try:
        return known[word.strip().lower()]
    except KeyError as error:
        raise BadOption(f"a label is {word!r}; it must be one of {', '.join(known)}.") from error


def _find_groups(analysis: FaceAnalysis) -> tuple[str, str]:
    """The group of a face by its skin, and by its size."""
    luma, distance = float(analysis.appearance.skin @ LUMA), analysis.face.landmarks.eye_distance_px
    return (
        f"{name_skin(luma)} skin",
        next(name for name, limit in _SIZES.items() if distance < limit),
    )


def describe(cases: Iterable[Case], title: str) -> list[str]:
    """Return lines with the confusion table of some cases, and precision and recall."""
    cases = list(cases)
    lines = [title]
    for wanted, name in ((True, "to edit"), (False, "to leave"), (None, "either")):
        counts = Counter(case.done for case in cases if case.wanted is wanted)
        if counts:
            lines.append(f"  {name:9s}" + "".join(f"{counts[done]:5d} {done}" for done in DONE))
    edited = [case for case in cases if case.done == EDITED]
    due = [case for case in cases if case.wanted]
    found = sum(case.done == EDITED and case.is_right for case in due)
    right = sum(case.is_right for case in edited)
    lines.append(f"  right: {_share(right, len(edited))} of the edits; edited: {_share(found, len(due))} of those due")
    return lines


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "none"


def read_labels(folder: Path) -> dict[Path, list[dict[str, str]]]:
    """Return the rows of the labels of a folder by photo. Raises BadOption when there are none of either form."""
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise BadOption(f"{folder / 'labels.csv'} cannot be read: {error.strerror}.") from error
    columns = set(rows[0]) if rows else set()
    if not ({"file", "eyes", "smile"} <= columns or {"path", "face", "open", "smile"} <= columns):
        raise BadOption(
            f"{folder / 'labels.csv'} has neither the columns file, eyes, smile nor path, face, open, smile."
        )
    labels: dict[Path, list[dict[str, str]]] = {}
    for row in rows:
        labels.setdefault(folder / (row.get("file") or row["path"]), []).append(row)
    return labels


def main() -> int:
    """Judge all photos, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--list", action="store_true", help="name every case that went wrong")
    chosen = parser.parse_args()
    cases: list[Case] = []
    try:
        labels = {path: rows for folder in chosen.folders for path, rows in read_labels(folder).items()}
        for path, rows in labels.items():
            cases += judge_photo(path, rows)
    except FixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for what in ("eyes", "smile"):
        mine = [case for case in cases if case.what == what]
        print("\n".join(describe(mine, f"{what}, all")))
        for group in (*(f"{skin} skin" for skin in SKINS), *_SIZES):
            part = [case for case in mine if group in case.groups]
            if part:
                print("\n".join(describe(part, f"{what}, {group}")))
    wrong = [
        case for case in cases if (case.done == EDITED and not case.is_right) or (case.wanted and case.done != EDITED)
    ]
    if chosen.list:
        for case in wrong:
            print(f"{case.photo}: {case.what} {case.done}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
