"""A blind test: sheets of edited and untouched heads for somebody who does not know which is which.

    python -m benchmark.blind_test build SHEETS KEY.json --untouched FOLDER … --edited KIND=FOLDER …
                                   [--before FOLDER …] [--enlarge 2] [--count 40] [--seed 0]
    python -m benchmark.blind_test score KEY.json SCORES.csv …

`build` writes heads of one size, unlabelled and shuffled, as sheets into a new folder, and what they are into a file
that must lie elsewhere: whoever looks at the sheets must not see it. Every person appears once, edited or untouched.
Folders of untouched photos should hold the same kinds of photo as the edited ones. Of a photo the widest face is taken;
of an edited one, where `--before` has the photo of the same name as it was, the widest face that differs.

Each viewer gives every head a score from 0, surely untouched, to 10, surely retouched, in a CSV file with the columns
sheet, number, score. `score` prints, for each viewer and each kind, the mean score, the share called edited (a score
above 5) and the AUC: how often an edited head has a higher score than an untouched one; 0.5 is chance. Intervals are of
95 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.people import Sighting, group_people, list_photos, sight_faces
from face.identity import Embedding
from face.types import Face
from photo.errors import BadOption, FixError
from photo.files import load_photo
from photo.types import Pixels

HEAD_PX = 420
"""Width and height of a head on a sheet that is not enlarged."""
UNTOUCHED = "untouched"
# A head is its face's width times this.
_HEAD_TO_FACE = 1.25
# Heads of fewer pixels are no test: enlarged to HEAD_PX nothing is sharp in them.
_LEAST_HEAD_PX = 140
_COLUMNS, _ROWS = 4, 3
_CAPTION_PX, _GAP_PX = 34, 10
_CALLED_ABOVE, _MOST = 5.0, 10.0
_Z = 1.96  # of 95 %
# A face is edited where at least so many of its pixels differ from before by more than so many of 255 levels.
_DIFFERING_PIXELS, _DIFFERING_LEVELS = 12, 12


@dataclass(frozen=True)
class Entry:
    """What one head of a sheet is: a line of the key."""

    sheet: str
    number: int
    kind: str
    file: str


@dataclass(frozen=True, eq=False)
class _Head:
    """A candidate for a sheet, and its picture there."""

    kind: str
    file: str
    embedding: Embedding
    picture: Pixels


@dataclass(frozen=True)
class KindResult:
    """How one viewer judged the heads of one kind; intervals (low, high). `auc` is None for the untouched ones."""

    kind: str
    count: int
    mean_score: float
    called: float
    called_interval: tuple[float, float]
    auc: float | None
    auc_interval: tuple[float, float] | None


# ---- building --------------------------------------------------------------------------------------------


def choose_heads(kinds: Sequence[str], embeddings: Sequence[Embedding], count: int, seed: int) -> list[int]:
    """Return the indices of at most `count` heads of each kind, in random order, every person once.

    Kinds take turns, those with the fewest candidates first, so that none loses all its people to another.
    """
    random = np.random.default_rng(seed)
    people = group_people(embeddings)
    waiting: dict[str, list[int]] = {}
    for index in random.permutation(len(kinds)):
        waiting.setdefault(kinds[index], []).append(int(index))
    order = sorted(waiting, key=lambda kind: (len(waiting[kind]), kind))
    taken: set[int] = set()
    chosen: list[int] = []
    for _ in range(count):
        for kind in order:
            index = next((i for i in waiting[kind] if int(people[i]) not in taken), None)
            if index is not None:
                taken.add(int(people[index]))
                chosen.append(index)
    return [chosen[place] for place in random.permutation(len(chosen))]


def cut_head(pixels: Pixels, face: Face, side_px: int) -> Pixels:
    """Return the head of a face as a square of `side_px`, uint8 (side_px, side_px, 3)."""
    box = face.box
    middle_x, middle_y = box.center
    wide = box.width * _HEAD_TO_FACE
    height, width = pixels.shape[:2]
    # Within the photo if it can be.
    left = min(max(middle_x - wide / 2, 0), max(width - wide, 0))
    top = min(max(middle_y - wide / 2, 0), max(height - wide, 0))
    scale = side_px / wide
    source = pixels if scale >= 1 else cv2.GaussianBlur(pixels, (0, 0), 0.45 / scale)
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float64)
    matrix[:, 2] += 0.5 * (scale - 1)  # pixels are squares, not points
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    head = cv2.warpAffine(source, matrix, (side_px, side_px), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(head, np.uint8)


def find_edited(after: Sequence[Sighting], before: Pixels | None) -> Sighting | None:
    """Return the widest face of an edited photo, and if the photo as it was is known, the widest one that differs."""
    for sighting in after:
        if before is None:
            return sighting
        if before.shape != sighting.pixels.shape:
            raise BadOption(f"{sighting.path} and the photo as it was are not of one size.")
        box = sighting.face.box.clipped(before.shape[1], before.shape[0])
        if box is None:
            continue
        change = np.abs(sighting.pixels[box.slices].astype(np.int16) - before[box.slices]).max(axis=2)
        if int((change > _DIFFERING_LEVELS).sum()) >= _DIFFERING_PIXELS:
            return sighting
    return None


def draw_sheets(heads: Sequence[Pixels]) -> list[Pixels]:
    """Return the heads, uint8 (h, w, 3) of one size, on sheets with their numbers, which count from 1 on each sheet."""
    height, width = heads[0].shape[:2]
    enlarged = max(1, round(width / HEAD_PX))
    columns, rows = max(1, _COLUMNS // enlarged), max(1, _ROWS // enlarged)
    sheets = []
    for start in range(0, len(heads), columns * rows):
        part = heads[start : start + columns * rows]
        used = math.ceil(len(part) / columns)
        shape = (used * (height + _CAPTION_PX + _GAP_PX), columns * (width + _GAP_PX) + _GAP_PX, 3)
        sheet = np.full(shape, 255, np.uint8)
        for index, head in enumerate(part):
            top = (index // columns) * (height + _CAPTION_PX + _GAP_PX)
            left = (index % columns) * (width + _GAP_PX) + _GAP_PX
            place = (left + 4, top + _CAPTION_PX - 8)
            cv2.putText(sheet, str(index + 1), place, cv2.FONT_HERSHEY_DUPLEX, 0.9, (0, 0, 0), 1, cv2.LINE_AA)
            sheet[top + _CAPTION_PX : top + _CAPTION_PX + height, left : left + width] = head
        sheets.append(sheet)
    return sheets


def number_entries(kinds_and_files: Sequence[tuple[str, str]], per_sheet: int) -> list[Entry]:
    """Return the key: for each head in order the sheet and the number that it has there."""
    return [
        Entry(f"sheet_{index // per_sheet + 1:02}", index % per_sheet + 1, kind, file)
        for index, (kind, file) in enumerate(kinds_and_files)
    ]


def build(  # noqa: PLR0913 one command, whose options have names
    sheets: Path,
    key: Path,
    kinds: Sequence[tuple[str, Path]],
    before: Sequence[Path],
    *,
    enlarge: int,
    count: int,
    seed: int,
) -> list[Entry]:
    """Write the sheets and the key of a test, and return the key. Raises FixError before anything is written."""
    if key.resolve().is_relative_to(sheets.resolve()):
        raise BadOption("the key must not lie among the sheets, where those who look at them would find it.")
    if key.exists() or (sheets.exists() and any(sheets.iterdir())):
        raise BadOption("there is a test already: name a new folder and a new key.")
    originals = {path.stem: path for folder in before for path in list_photos(folder)}
    heads: list[_Head] = []
    passed_over: Counter[str] = Counter()
    for kind, folder in kinds:
        for path in list_photos(folder):
            original = originals.get(path.stem) if kind != UNTOUCHED else None
            sighting = find_edited(sight_faces(path), load_photo(original).pixels if original else None)
            if sighting is None:
                passed_over["without a face, or not edited"] += 1
            elif sighting.face.box.width * _HEAD_TO_FACE < _LEAST_HEAD_PX:
                passed_over["head too small"] += 1
            else:
                picture = cut_head(sighting.pixels, sighting.face, HEAD_PX * enlarge)
                heads.append(_Head(kind, str(path), sighting.embedding, picture))
    indices = choose_heads([head.kind for head in heads], [head.embedding for head in heads], count, seed)
    chosen = [heads[index] for index in indices]
    passed_over["a person already shown, or more than asked for"] = len(heads) - len(chosen)
    if len({head.kind == UNTOUCHED for head in chosen}) < 2:
        raise BadOption("a test needs both edited and untouched heads of different people.")
    drawn = draw_sheets([head.picture for head in chosen])
    per_sheet = max(1, _COLUMNS // enlarge) * max(1, _ROWS // enlarge)
    entries = number_entries([(head.kind, head.file) for head in chosen], per_sheet)
    sheets.mkdir(parents=True, exist_ok=True)
    for index, sheet in enumerate(drawn):
        Image.fromarray(sheet).save(sheets / f"sheet_{index + 1:02}.png")
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(json.dumps([asdict(entry) for entry in entries], indent=1) + "\n", encoding="utf-8")
    counts = Counter(head.kind for head in chosen)
    print(f"{len(drawn)} sheets: {', '.join(f'{number} {kind}' for kind, number in sorted(counts.items()))}")
    for why, number in (+passed_over).items():
        print(f"left out, {why}: {number}")
    return entries


# ---- scoring ---------------------------------------------------------------------------------------------


def measure_auc(edited: NDArray[np.float64], untouched: NDArray[np.float64]) -> float:
    """Return how often an edited head has the higher score, 0 … 1; equal scores count half."""
    difference = edited[:, None] - untouched[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def auc_interval(auc: float, edited: int, untouched: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC from so many heads, by Newcombe's method 5 (2006).

    Unlike a bootstrap it does not shrink to a point where the two kinds do not overlap.
    """
    guess = np.linspace(0, 1, 20001)[1:-1]
    mean_count = (edited + untouched) / 2 - 1
    spread = 1 + mean_count * ((1 - guess) / (2 - guess) + guess / (1 + guess))
    variance = guess * (1 - guess) * spread / (edited * untouched)
    possible = guess[(guess - auc) ** 2 <= _Z**2 * variance]
    if not len(possible):
        return auc, auc
    return float(min(possible[0], auc)), float(max(possible[-1], auc))


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    share, scale = hits / count, 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def read_key(path: Path) -> list[Entry]:
    """Return the key that `build` wrote. Raises BadOption."""
    try:
        return [Entry(**line) for line in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise BadOption(f"{path} is no key of a blind test.") from error


def read_scores(path: Path, entries: Sequence[Entry]) -> dict[tuple[str, int], float]:
    """Return a viewer's scores by sheet and number. Raises BadOption unless every head has one score, 0 … 10."""
    known = {(entry.sheet, entry.number) for entry in entries}
    scores: dict[tuple[str, int], float] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(row["sheet"].strip(), int(row["number"]), float(row["score"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise BadOption(f"{path} cannot be read.") from error
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadOption(f"{path}: every line needs a sheet, a number and a score.") from error
    for sheet, number, score in rows:
        head = Path(sheet).stem, number
        if head not in known:
            raise BadOption(f"{path}: there is no number {number} on {sheet}.")
        if head in scores:
            raise BadOption(f"{path}: number {number} on {sheet} has two scores.")
        if not 0 <= score <= _MOST:
            raise BadOption(f"{path}: number {number} on {sheet} has a score outside 0 … 10.")
        scores[head] = score
    missing = sorted(known - set(scores))
    if missing:
        raise BadOption(f"{path}: {len(missing)} heads have no score, the first is number {missing[0][1]} on "
                        f"{missing[0][0]}.")  # fmt: skip
    return scores


def judge(entries: Sequence[Entry], scores: dict[tuple[str, int], float]) -> list[KindResult]:
    """Return what one viewer saw of every kind, the untouched heads first."""
    by_kind: dict[str, list[float]] = {}
    for entry in entries:
        by_kind.setdefault(entry.kind, []).append(scores[entry.sheet, entry.number])
    untouched = np.array(by_kind[UNTOUCHED])
    results = []
    for kind in sorted(by_kind, key=lambda name: (name != UNTOUCHED, name)):
        values = np.array(by_kind[kind])
        hits = int((values > _CALLED_ABOVE).sum())
        auc = None if kind == UNTOUCHED else measure_auc(values, untouched)
        interval = None if auc is None else auc_interval(auc, len(values), len(untouched))
        called = hits / len(values), share_interval(hits, len(values))
        results.append(KindResult(kind, len(values), float(values.mean()), *called, auc, interval))
    return results


def describe(title: str, results: Sequence[KindResult]) -> str:
    """Return the table of one viewer as text."""
    lines = [title, f"  {'kind':24}{'heads':>6}{'mean':>6}   {'called edited':22}AUC"]
    for result in results:
        low, high = result.called_interval
        called = f"{result.called:.0%} ({low:.0%} … {high:.0%})"
        line = f"  {result.kind:24}{result.count:6}{result.mean_score:6.1f}   {called:22}"
        if result.auc is not None and result.auc_interval is not None:
            line += f"{result.auc:.2f} ({result.auc_interval[0]:.2f} … {result.auc_interval[1]:.2f})"
        lines.append(line.rstrip())
    return "\n".join(lines)


def score(key: Path, scores: Sequence[Path]) -> str:
    """Return the tables of all viewers, and where there are several that of their mean scores. Raises BadOption."""
    entries = read_key(key)
    if UNTOUCHED not in {entry.kind for entry in entries}:
        raise BadOption(f"{key} has no untouched head to compare with.")
    viewers = [read_scores(path, entries) for path in scores]
    tables = [describe(path.name, judge(entries, viewer)) for path, viewer in zip(scores, viewers, strict=True)]
    if len(viewers) > 1:
        mean = {head: float(np.mean([viewer[head] for viewer in viewers])) for head in viewers[0]}
        tables.append(describe(f"mean of {len(viewers)} viewers", judge(entries, mean)))
    return "\n".join(tables)


def _read_kind(text: str) -> tuple[str, Path]:
    kind, equals, folder = text.partition("=")
    if not (kind and equals and folder) or kind == UNTOUCHED:
        raise argparse.ArgumentTypeError("write KIND=FOLDER")
    return kind, Path(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or score the test named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="write the sheets and the key")
    builder.add_argument("sheets", type=Path)
    builder.add_argument("key", type=Path)
    builder.add_argument("--untouched", type=Path, nargs="+", required=True, metavar="FOLDER")
    builder.add_argument("--edited", type=_read_kind, nargs="+", required=True, metavar="KIND=FOLDER")
    builder.add_argument("--before", type=Path, nargs="+", default=[], metavar="FOLDER")
    builder.add_argument("--enlarge", type=int, default=1, choices=(1, 2, 3), metavar="FACTOR")
    builder.add_argument("--count", type=int, default=40, metavar="COUNT", help="heads of each kind at the most")
    builder.add_argument("--seed", type=int, default=0)
    scorer = commands.add_parser("score", help="read the scores")
    scorer.add_argument("key", type=Path)
    scorer.add_argument("scores", type=Path, nargs="+")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "score":
            print(score(chosen.key, chosen.scores))
        else:
            kinds = [*((UNTOUCHED, folder) for folder in chosen.untouched), *chosen.edited]
            build(
                chosen.sheets, chosen.key, kinds, chosen.before,
                enlarge=chosen.enlarge, count=chosen.count, seed=chosen.seed,
            )  # fmt: skip
    except FixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
