"""Writes the trained refiner of one scale as ONNX with half-precision weights, and checks that OpenCV runs it alike.

python -m training.eyes.export WEIGHTS.pt MODEL.onnx [--snapshot NUMBER] [--told TEXT]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from render.canonical import patch_size
from training.eyes.networks import REFINER_CHANNELS, WIDTHS, Refiner

_OPSET = 13
_TAKES = (
    "Refines a rendered eye. Takes a canonical patch of {unit_px} px per half eye width as {channels} channels: RGB "
    "-1 to 1, mask 0 to 1, six maps of where everything lies (render/canonical.py), standard normal noise. Returns the "
    "change of the RGB, to be multiplied by the mask."
)
# The largest difference between torch and OpenCV, of values about 0 … 1.
_TOLERANCE = 2e-3


def load_refiner(weights: Path, snapshot: int = -1) -> tuple[Refiner, int]:
    """Return the refiner of a file that `training.eyes.train` wrote, and its pixels per half eye width."""
    saved = torch.load(weights, map_location="cpu", weights_only=True)
    refiner = Refiner(WIDTHS[saved["unit_px"]])
    refiner.load_state_dict({name: value.float() for name, value in saved["weights"][snapshot].items()})
    return refiner.eval(), saved["unit_px"]


def export(refiner: Refiner, unit_px: int, path: Path, told: str = "") -> float:
    """Write the refiner as ONNX, and return the largest difference between torch and OpenCV on random input.

    `told` is what the file is to say of itself beside what it takes and returns.
    """
    import onnx

    x = torch.randn(1, REFINER_CHANNELS, *patch_size(unit_px), generator=torch.Generator().manual_seed(0))
    torch.onnx.export(
        refiner, (x,), str(path), opset_version=_OPSET, dynamo=False, input_names=["eye"], output_names=["change"]
    )
    model = onnx.load(str(path))
    _halve_weights(model)
    model.producer_name = "training.eyes.export"
    model.doc_string = f"{_TAKES.format(unit_px=unit_px, channels=REFINER_CHANNELS)} {told}".strip()
    onnx.save(model, str(path))
    network = cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
    network.setInput(x.numpy())
    with torch.no_grad():
        return float(np.abs(network.forward() - refiner(x).numpy()).max())


def _halve_weights(model: Any) -> None:
    """Store all weights in half precision; they become float32 again as the network is read."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT:
            name = weight.name
            half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}_half")
            weight.CopyFrom(half)
            casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)


def main() -> int:
    """Export one file of weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--snapshot", type=int, default=-1, metavar="NUMBER")
    parser.add_argument("--told", default="", metavar="TEXT", help="what the file is to say of how it was made")
    chosen = parser.parse_args()
    refiner, unit_px = load_refiner(chosen.weights, chosen.snapshot)
    difference = export(refiner, unit_px, chosen.model, chosen.told)
    print(f"{chosen.model}: {chosen.model.stat().st_size / 2**20:.1f} MB, differs from torch by {difference:.1e}")
    return 0 if difference < _TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
