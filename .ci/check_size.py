"""Refuses files that are too large for the repository: everybody who joins fetches all of them, for ever.

python .ci/check_size.py FILE ...
"""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT_MB = 12
"""Above the largest file that is needed, the weights of the face detector with 10.7 MB."""


def main(names: list[str]) -> int:
    """Name each file that is too large; return 1 if there is one, else 0."""
    large = [(name, size) for name in names if (size := Path(name).stat().st_size) > LIMIT_MB * 1_000_000]
    for name, size in large:
        print(f"error: {name} has {size / 1e6:.1f} MB, and {LIMIT_MB} MB is the most", file=sys.stderr)
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
