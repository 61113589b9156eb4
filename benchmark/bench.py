"""Runs a folder of photos through the program and measures time, memory, and what became of every face.

    python -m benchmark.bench FOLDER [--json]

What it says about masks and expressions is measured here anew, not taken from the program's own report. For
photos with open eyes it also closes them, lets the program open them, and compares with the photo as it was.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic_blink import close_eyes
from edit.options import Options, SmileOptions, Wish
from edit.plan import EditPlan, FixResult
from face.search import remeasure
from face.types import EYES, Face, Feature
from photo.errors import FixError
from photo.files import load_photo, save_photo
from photo.formats import FORMATS
from photo.types import Photo, Pixels
from retouch.engines import make_draft
from retouch.pipeline import fix_photo
from retouch.report import explain

# An eye is open, a mouth smiles, by these; between closed and open nothing is demanded.
OPEN_ASPECT_RATIO, OPEN_BLINK, SMILE = 0.20, 0.40, 0.50
CLOSED_ASPECT_RATIO, CLOSED_BLINK, NO_SMILE = 0.12, 0.60, 0.30
# The faces that the targets speak of.
LEAST_EYE_DISTANCE_PX, MOST_YAW_DEGREES = 40.0, 35.0


@dataclass
class FaceRow:
    """One face before and after; `None` after means that it was not seen any more."""

    number: int
    eye_distance_px: float
    yaw_degrees: float
    eyes_before: list[float]
    eyes_after: list[float] | None
    smile_before: float
    smile_after: float | None
    was_closed: bool
    is_open: bool
    was_fine: bool
    touched: bool
    no_smile_because: str = ""

    @property
    def counts(self) -> bool:
        """Whether the targets speak of this face: large enough and not turned too far."""
        return self.eye_distance_px >= LEAST_EYE_DISTANCE_PX and abs(self.yaw_degrees) <= MOST_YAW_DEGREES


@dataclass
class PhotoRow:
    """One photo; seconds by step, memory in MB, signal-to-noise ratios in dB."""

    name: str
    megapixels: float
    seconds: dict[str, float]
    peak_mb: float
    faces: list[FaceRow]
    changed_pixels: int
    changed_outside: int
    psnr_closed_db: float | None = None
    psnr_fixed_db: float | None = None
    error: str = ""
    skips: list[str] = field(default_factory=list)


def measure_photo(path: Path, scratch: Path) -> PhotoRow:
    """Run one photo from file to file. Raises FixError."""
    _reset_peak_memory()
    started = time.perf_counter()
    photo = load_photo(path)
    loaded = time.perf_counter()
    result = fix_photo(photo, Options(), make_draft(Options()))
    fixed = time.perf_counter()
    save_photo(result.pixels, photo, scratch / f"final_{path.stem}.png")
    saved = time.perf_counter()
    seconds = {"load": loaded - started, **result.report.seconds, "save": saved - fixed, "all": saved - started}
    row = PhotoRow(
        name=path.name,
        megapixels=photo.width * photo.height / 1e6,
        seconds={step: round(value, 3) for step, value in seconds.items()},
        peak_mb=round(_peak_memory_mb(), 1),
        faces=[measure_face(face, result) for face in result.report.faces],
        changed_pixels=int((result.pixels != photo.pixels).any(axis=2).sum()),
        changed_outside=count_changed_outside(photo.pixels, result.pixels, result.plan),
        skips=[f"face {skip.face.number}, {skip.feature.value}: {explain(skip.cause)}" for skip in result.report.skips],
    )
    row.psnr_closed_db, row.psnr_fixed_db = measure_blink(photo.pixels, result.report.faces)
    return row


def measure_face(face: Face, result: FixResult) -> FaceRow:
    """Look at one face again in the result, and compare."""
    after = remeasure(result.pixels, face)
    smiles, is_open = face.smile >= SMILE, is_eye_pair_open(face)
    return FaceRow(
        number=face.number,
        eye_distance_px=round(face.landmarks.eye_distance_px, 1),
        yaw_degrees=round(face.yaw_degrees, 1),
        eyes_before=[round(face.eye(eye).aspect_ratio, 3) for eye in EYES],
        eyes_after=None if after is None else [round(after.eye(eye).aspect_ratio, 3) for eye in EYES],
        smile_before=round(face.smile, 3),
        smile_after=None if after is None else round(after.smile, 3),
        was_closed=any(
            face.eye(eye).aspect_ratio < CLOSED_ASPECT_RATIO and face.blink(eye) > CLOSED_BLINK for eye in EYES
        ),
        is_open=after is not None and is_eye_pair_open(after),
        was_fine=smiles and is_open,
        touched=any(edit.face.number == face.number for edit in result.plan.edits),
        no_smile_because=next(
            (
                explain(s.cause)
                for s in result.report.skips
                if s.face.number == face.number and s.feature is Feature.MOUTH
            ),
            "",
        ),
    )


def is_eye_pair_open(face: Face) -> bool:
    """Whether both eyes are open, by the measure that the targets are set in."""
    return all(face.eye(eye).aspect_ratio > OPEN_ASPECT_RATIO and face.blink(eye) < OPEN_BLINK for eye in EYES)


def count_changed_outside(before: Pixels, after: Pixels, plan: EditPlan) -> int:
    """Count the pixels that differ where no edit's mask is above 0."""
    outside = (before != after).any(axis=2)
    for edit in plan.edits:
        outside[edit.region.box.slices] &= edit.region.alpha == 0
    return int(outside.sum())


def measure_blink(pixels: Pixels, faces: tuple[Face, ...]) -> tuple[float | None, float | None]:
    """Close the open eyes, open them with the program; return dB against the truth, closed and opened.

    Only around the eyes that it opened; None when no face has two open eyes or none was opened.
    """
    chosen = [f for f in faces if is_eye_pair_open(f) and f.landmarks.eye_distance_px >= LEAST_EYE_DISTANCE_PX]
    closed = pixels
    for face in chosen:
        closed = close_eyes(closed, face)
    if not chosen:
        return None, None
    result = fix_photo(Photo(closed), Options(smile=SmileOptions(Wish.NEVER)), make_draft(Options()))
    region = np.zeros(pixels.shape[:2], bool)
    for edit in result.plan.edits:
        # Eyes that the photo itself has closed have no known truth.
        if any(edit.region.box.overlap_ratio(face.box) > 0 for face in chosen):
            region[edit.region.box.slices] |= edit.region.alpha > 0.5
    if not region.any():
        return None, None
    return measure_psnr(closed[region], pixels[region]), measure_psnr(result.pixels[region], pixels[region])


def measure_psnr(values: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit values against the true ones."""
    error = float(np.mean((values.astype(np.float64) - truth) ** 2))
    return math.inf if error == 0 else round(10 * math.log10(255**2 / error), 2)


def _reset_peak_memory() -> None:
    """Start counting the peak anew, where the system can; else it is that of all photos so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024**2 if sys.platform == "darwin" else 1024)


def describe_photo(row: PhotoRow) -> str:
    """Return some lines of text on one photo."""
    if row.error:
        return f"{row.name}: {row.error}"
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in row.seconds.items())
    lines = [
        f"{row.name}: {row.megapixels:.1f} MP, {len(row.faces)} faces, {row.peak_mb:.0f} MB at the peak",
        f"  seconds: {steps}",
        f"  changed pixels: {row.changed_pixels:,}, outside the masks: {row.changed_outside}",
    ]
    for face in row.faces:
        eyes = " ".join(f"{value:.2f}" for value in face.eyes_before)
        after = "not seen" if face.eyes_after is None else " ".join(f"{value:.2f}" for value in face.eyes_after)
        smile = "not seen" if face.smile_after is None else f"{face.smile_after:.2f}"
        lines.append(
            f"  face {face.number}: {face.eye_distance_px:.0f} px, eyes {eyes} → {after}, "
            f"smile {face.smile_before:.2f} → {smile}"
        )
    lines += [f"  left alone: {skip}" for skip in row.skips]
    if row.psnr_fixed_db is not None:
        lines.append(f"  eyes closed by hand: {row.psnr_closed_db} dB, opened again: {row.psnr_fixed_db} dB")
    return "\n".join(lines)


def summarize(rows: list[PhotoRow]) -> dict[str, str]:
    """Return each target with what was reached, in words."""
    good = [row for row in rows if not row.error]
    faces = [face for row in good for face in row.faces]
    closed = [face for face in faces if face.counts and face.was_closed]
    unsmiling = [face for face in faces if face.counts and face.smile_before < NO_SMILE]
    left_alone = Counter(face.no_smile_because for face in unsmiling if face.no_smile_because)
    fine = [face for face in faces if face.was_fine]
    blinks = [row.psnr_fixed_db - row.psnr_closed_db for row in good if row.psnr_fixed_db and row.psnr_closed_db]
    large = [row for row in good if row.megapixels > 10]
    return {
        "photos": f"{len(good)} of {len(rows)}",
        "closed-eye faces opened (target: all)": f"{sum(face.is_open for face in closed)} of {len(closed)}",
        "unsmiling faces that smile (target: 95 %)": (
            f"{sum((face.smile_after or 0) > SMILE for face in unsmiling)} of {len(unsmiling)}"
        ),
        "unsmiling mouths left alone, and why": (
            "; ".join(f"{count}: {why}" for why, count in left_alone.items()) or "none"
        ),
        "fine faces touched (target: 0)": f"{sum(face.touched for face in fine)} of {len(fine)}",
        "pixels changed outside the masks (target: 0)": str(sum(row.changed_outside for row in good)),
        "slowest photo over 10 MP, without loading and saving (target: 2.5 s)": (
            f"{max(r.seconds['all'] - r.seconds['load'] - r.seconds['save'] for r in large):.2f} s" if large else "none"
        ),
        "peak memory (target: 1000 MB)": f"{max((row.peak_mb for row in good), default=0):.0f} MB",
        "gain on blinks made by hand, median": f"{np.median(blinks):+.2f} dB of {len(blinks)}" if blinks else "none",
    }


def main() -> int:
    """Run the benchmark; 2 when there is no photo in the folder."""
    parser = argparse.ArgumentParser(description="Measure the program on every photo below a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parsed = parser.parse_args()
    photos = [path for path in sorted(parsed.folder.rglob("*")) if path.suffix.lower() in FORMATS]
    if not photos:
        print(f"error: there is no photo in {parsed.folder}.", file=sys.stderr)
        return 2
    # The models load once per process; that is not the first photo's time.
    fix_photo(Photo(np.zeros((64, 64, 3), np.uint8)), Options(), make_draft(Options()))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in photos:
            try:
                row = measure_photo(path, Path(scratch))
            except FixError as error:
                row = PhotoRow(path.name, 0, {}, 0, [], 0, 0, error=str(error))
            rows.append(row)
            if not parsed.json:
                print(describe_photo(row), flush=True)
    summary = summarize(rows)
    if parsed.json:
        print(json.dumps({"photos": [asdict(row) for row in rows], "summary": summary}, indent=2))
    else:
        print("", *(f"{name}: {value}" for name, value in summary.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
