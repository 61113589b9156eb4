"""Measures trained weights on the held-out people: how far rendered and refined eyes are from the photographed ones.

    python -m training.eyes.evaluate PAIRS WEIGHTS.pt [--snapshot NUMBER] [--apart EMBEDDINGS]

Printed are, for all and for every group of at least eight eyes (source, lightness of the skin, size of the eye), mean
differences in grey levels within the mask, where eyes were rendered with their true lids, gaze and colour: of pixels,
and of means over a sixth of the half eye width, in which only colour and shading count. How real eyes look is not
measured so: `benchmark.critic` and `benchmark.blind_test` do that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.people import SKINS, name_skin
from photo.types import FloatArray
from training.eyes.export import load_refiner
from training.eyes.pairs import PairArrays, load_pairs, split_people
from training.eyes.train import HELD_OUT, SAME_PERSON_COSINE, Batch, refine

_LEAST_EYES = 8
_BATCH = 32
# Eyes are small, medium or large by their half width in pixels.
_SIZES_PX = (20.0, 40.0)


def refine_pairs(pairs: PairArrays, rows: NDArray[np.int64], network: torch.nn.Module) -> FloatArray:
    """Return the refined eyes of some rows, float32 (n, h, w, 3), 0 … 255."""
    generator = torch.Generator().manual_seed(0)
    refined = []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        rendered, real = (
            torch.from_numpy(pictures[part].astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1)
            for pictures in (pairs.rendered, pairs.real)
        )
        mask = torch.from_numpy(pairs.mask[part].astype(np.float32)[:, None] / 255)
        maps = torch.from_numpy(pairs.maps[part].astype(np.float32).transpose(0, 3, 1, 2))
        noise = torch.randn(mask.shape, generator=generator)
        with torch.no_grad():
            eyes = refine(network, Batch(rendered, real, mask, maps), noise)
        refined.append((eyes.clamp(-1, 1).permute(0, 2, 3, 1).numpy() + 1) * 127.5)
    return np.concatenate(refined).astype(np.float32)


def measure_differences(
    eyes: FloatArray, real: NDArray[np.uint8], mask: NDArray[np.uint8], unit_px: int
) -> tuple[FloatArray, FloatArray]:
    """Return the mean differences of eyes (n, h, w, 3) to the real ones, of pixels and of means, float32 (n,) each."""
    weight = mask.astype(np.float32)[..., None] / 255
    total = weight.sum(axis=(1, 2, 3))
    error = weight * (eyes - real)
    size = max(unit_px // 6, 1)
    means = np.stack([cv2.blur(one, (size, size)) for one in error])
    fine, coarse = (np.abs(picture).mean(axis=3).sum(axis=(1, 2)) / total for picture in (error, means))
    return fine.astype(np.float32), coarse.astype(np.float32)


def list_groups(pairs: PairArrays, rows: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the name of each group with at least eight eyes, and which of the rows belong to it."""
    yield "all", np.ones(len(rows), bool)
    skin = np.array([name_skin(luma) for luma in pairs.skin_luma[rows]])
    size = np.digitize(pairs.half_width_px[rows], _SIZES_PX)
    named = [(f"source {name}", pairs.source[rows] == name) for name in np.unique(pairs.source)]
    named += [(f"{name} skin", skin == name) for name in SKINS]
    named += [(f"{name} eyes", size == kind) for kind, name in enumerate(("small", "medium", "large"))]
    yield from ((name, members) for name, members in named if members.sum() >= _LEAST_EYES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--snapshot", type=int, default=-1, metavar="NUMBER")
    parser.add_argument("--apart", type=Path, metavar="FILE", help="the same as for the training")
    chosen = parser.parse_args(arguments)
    network, unit_px = load_refiner(chosen.weights, chosen.snapshot)
    pairs = load_pairs(sorted(chosen.pairs.glob(f"*_{unit_px}.npz")))
    apart = np.load(chosen.apart) if chosen.apart is not None else np.zeros((0, 192), np.float32)
    rows = np.flatnonzero(split_people(pairs, HELD_OUT, apart, SAME_PERSON_COSINE) == 1)
    if not len(rows):
        print("Nobody is held out.", file=sys.stderr)
        return 1
    refined = refine_pairs(pairs, rows, network)
    real, mask = pairs.real[rows], pairs.mask[rows]
    before = measure_differences(pairs.rendered[rows].astype(np.float32), real, mask, unit_px)
    after = measure_differences(refined, real, mask, unit_px)
    print(f"{'group':28}{'eyes':>6}{'pixels: rendered':>20}{'refined':>9}{'means: rendered':>19}{'refined':>9}")
    for name, members in list_groups(pairs, rows):
        fine, coarse = ([float(values[kind][members].mean()) for values in (before, after)] for kind in (0, 1))
        print(f"{name:28}{members.sum():6}{fine[0]:20.1f}{fine[1]:9.1f}{coarse[0]:19.1f}{coarse[1]:9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
