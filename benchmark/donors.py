"""Measures how near opened eyes come to the true open ones, without and with another photo of the person.

    python -m benchmark.donors FOLDER

FOLDER holds a folder for each person with `input_closed`, `gt_open` (the true open eyes, a moment away) and `ref_open`
(another moment), as .jpg or .png. Every person is also offered the reference photos of all the others: whoever takes
eyes from one of them is counted as a wrong match.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from donor.choose import DonorFinder
from donor.people import ReferencePhoto, read_reference
from edit.options import Options, SmileOptions, Wish
from edit.plan import Donor
from face.analysis import FaceAnalysis
from face.identity import embed_face, measure_distance
from face.search import find_faces, remeasure
from face.types import EYES, Face
from photo.files import load_photo
from photo.formats import FORMATS
from photo.types import FloatArray, Photo, Pixels
from retouch.engines import make_draft
from retouch.pipeline import analyze, fix_photo, plan_edits
from retouch.report import explain

OPTIONS = Options(smile=SmileOptions(Wish.NEVER))
# The picture in which two photos are compared: the outer eye corners lie at these pixels, and what is looked at.
SIZE, CORNERS = (240, 100), np.array([[40, 60], [200, 60]], np.float32)
ROWS, COLUMNS = slice(25, 90), slice(25, 215)
# Differences finer than this are of no interest, nor can two moments agree in them.
BLUR_PX = 1.5


@dataclass(frozen=True, eq=False)
class Pair:
    """The photos of one person."""

    name: str
    closed: Photo
    true: Photo
    reference: ReferencePhoto


@dataclass(frozen=True)
class Distance:
    """How far a photo is from the true one: colours around the eyes (ΔE), aspect ratio, colour of the irises (ΔE), and
    the distance that the recognition network sees."""

    colors: float
    opening: float
    irises: float
    embedding: float


def measure(pixels: Pixels, face: Face, true: Pixels, true_face: Face) -> Distance:
    """Compare a face in `pixels` uint8 (H, W, 3) with the same person's in `true`, ΔE of CIE 1976."""
    colors = np.linalg.norm(lay_eyes(pixels, face) - lay_eyes(true, true_face), axis=2)[ROWS, COLUMNS].mean()
    openings = [face.eye(eye).aspect_ratio - true_face.eye(eye).aspect_ratio for eye in EYES]
    irises = np.linalg.norm(measure_irises(pixels, face) - measure_irises(true, true_face))
    embedding = measure_distance(embed_face(pixels, face), embed_face(true, true_face))
    return Distance(float(colors), float(np.abs(openings).mean()), float(irises), embedding)


def lay_eyes(pixels: Pixels, face: Face) -> FloatArray:
    """The eyes in CIE Lab, float32 (100, 240, 3), with their outer corners in the same places for every photo."""
    corners = np.array([face.eye(eye).outer_corner[:2] for eye in EYES], np.float32)
    matrix = cv2.estimateAffinePartial2D(corners, CORNERS)[0]
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    part = pixels.astype(np.float32) / 255
    if scale < 1:
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.5 / scale), np.float32)
    laid = cv2.GaussianBlur(cv2.warpAffine(part, matrix, SIZE, flags=cv2.INTER_LINEAR), (0, 0), BLUR_PX)
    return np.asarray(cv2.cvtColor(laid, cv2.COLOR_RGB2LAB), np.float32)


def measure_irises(pixels: Pixels, face: Face) -> FloatArray:
    """Mean CIE Lab of the irises that are seen, float32 (3,); NaN where neither is.

    Found by their rims, not by the landmarks alone: those stay in the white when somebody looks far aside.
    """
    analysis = FaceAnalysis(pixels, face)
    seen = [color for eye in EYES if (color := analysis.eye(eye).iris_color) is not None]
    found = [cv2.cvtColor(color[None, None] / 255, cv2.COLOR_RGB2LAB)[0, 0] for color in seen]
    return np.asarray(np.mean(found, axis=0) if found else np.full(3, np.nan), np.float32)


def read_pairs(folder: Path) -> Iterator[Pair]:
    """The people in a folder of folders; those without all three photos are left out."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = {file.stem: file for file in place.iterdir() if file.suffix.lower() in FORMATS}
        if {"input_closed", "gt_open", "ref_open"} <= set(files):
            closed, true = load_photo(files["input_closed"]), load_photo(files["gt_open"])
            yield Pair(place.name, closed, true, read_reference(load_photo(files["ref_open"])))


def measure_pair(pair: Pair) -> tuple[Distance, Distance, Distance, float, str]:
    """Distances of closed, rendered and carried eyes from the true ones, seconds of the last, and why not, if not."""
    face, true_face = find_faces(pair.closed.pixels)[0], find_faces(pair.true.pixels)[0]
    rendered = fix_photo(pair.closed, OPTIONS, make_draft(Options()))
    start = time.perf_counter()
    carried = fix_photo(pair.closed, OPTIONS, make_draft(Options()), references=[pair.reference])
    seconds = time.perf_counter() - start
    distances = []
    for pixels in (pair.closed.pixels, rendered.pixels, carried.pixels):
        distances.append(measure(pixels, remeasure(pixels, face) or face, pair.true.pixels, true_face))
    donors = [change.donor for change in carried.report.changes]
    notes = {explain(change.note) for change in carried.report.changes if change.note is not None}
    return distances[0], distances[1], distances[2], seconds, "" if all(donors) else "; ".join(sorted(notes))


def count_wrong(pairs: list[Pair]) -> tuple[int, int]:
    """How many people were offered somebody else's eyes, and how many took them."""
    offered = wrong = 0
    for pair in pairs:
        analyses = analyze(pair.closed.pixels)
        for other in pairs:
            if other is not pair:
                plan = plan_edits(analyses, OPTIONS, DonorFinder(analyses, [other.reference], OPTIONS))
                offered += 1
                wrong += any(isinstance(source, Donor) for edit in plan.edits for source in edit.sources)
    return offered, wrong


def main() -> int:
    """Print the table; return 0, or 2 when there is nothing to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    pairs = list(read_pairs(parser.parse_args().folder))
    if not pairs:
        print("error: no folder in there holds input_closed, gt_open and ref_open", file=sys.stderr)
        return 2
    print("Distance to the true open eyes: closed / rendered / carried over from the reference photo")
    print(f"{'':12}{'colours ΔE':>18}{'aspect ratio':>22}{'irises ΔE':>15}{'looks':>19}{'s':>7}")
    for pair in pairs:
        closed, rendered, carried, seconds, word = measure_pair(pair)
        print(
            f"{pair.name:12}{closed.colors:6.2f}{rendered.colors:6.2f}{carried.colors:6.2f}"
            f"{closed.opening:8.3f}{rendered.opening:7.3f}{carried.opening:7.3f}"
            f"{rendered.irises:9.1f}{carried.irises:6.1f}"
            f"{closed.embedding:7.2f}{rendered.embedding:6.2f}{carried.embedding:6.2f}{seconds:7.2f}  {word}"
        )
    offered, wrong = count_wrong(pairs)
    print(f"Offered the eyes of somebody else {offered} times, {wrong} taken.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
