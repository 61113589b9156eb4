"""Shows the page in the browser until Ctrl+C, which is how it is meant to end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from getpass import getpass

from commands.console import note_interrupts
from commands.outcome import DONE
from commands.request import Request
from edit.options import Options
from photo.errors import MissingPackage


def show_page(request: Request, options: Options) -> int:
    """Serve the page as the flags ask for; return the exit code. Raises FixError."""
    # Before gradio is imported, and by it what else may report how it is used: they read this only then.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    try:
        from page.login import find_login
        from page.server import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        text = "the package gradio is not installed; run: pip install -r requirements.txt"
        raise MissingPackage(text) from error

    parsed = request.parsed
    with suppress(KeyboardInterrupt), note_interrupts(request.interrupts):
        ask = getpass if sys.stdin is not None and sys.stdin.isatty() else None
        auth = find_login(parsed.auth, parsed.auth_file, os.environ, ask)
        serve(options, parsed.host, parsed.port, auth, request.console.complain, parsed.names or ())
    return DONE
