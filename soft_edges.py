"""The one curve by which everything in this program fades in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def smoothstep(low: float, high: float, value: NDArray[Any]) -> NDArray[np.float32]:
    """0 below `low`, 1 above `high`, a smooth S between; float32 in the shape of `value`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
