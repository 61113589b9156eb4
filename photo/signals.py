"""The signals that end a run: Ctrl+C, and those of a shutdown, of a session that ends, or of a closed terminal."""

from __future__ import annotations

import signal

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Each of them stops the work as Ctrl+C does, so that nothing is left behind."""
