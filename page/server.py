"""The server of the page: shows it at an address until the process is asked to end, and removes its files then.

Nothing leaves the machine: no usage data, no fonts or scripts from elsewhere, and uploads lie in a folder of their own
that vanishes with the page.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import gradio as gr
import numpy as np

from edit.options import Options
from page.layout import OLDEST_SECONDS, SAMPLES, build_page
from page.session import OpenPhoto, preview_face
from page.theme import STYLE_SHEET, make_head, make_theme
from photo.errors import BadOption, FixError
from photo.files import load_photo
from photo.types import Photo

LARGEST_FILE = "100mb"
"""Larger uploads are refused; the page says so."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this computer can reach."""

_FOLDER_PREFIX = "open_eyes_page_"
# Width and height as phones take photos: what the models lay out for one size serves for others.
_PHONE_PHOTO_PX = (4032, 3024)


def serve(options: Options, host: str, port: int, auth: tuple[str, str] | None, log: Callable[[str], None]) -> None:
    """Show the page at `host`:`port` until the process is asked to end, then remove every file of it.

    `options` are the page's own defaults. With `auth`, a name and a password, visitors must give both. `log` gets
    the address of the page, and a warning where others can reach it. Raises BadOption.
    """
    _remove_old_folders()
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
    stopped = threading.Event()
    _on_terminate(stopped.set)
    try:
        _use_folder(folder)
        page = build_page(options, folder)
        url = launch(page, host, port, auth)
        if host not in LOOPBACK:
            who = "Everybody who knows the name and the password" if auth else "EVERYBODY"
            log(f"Warning: {who} in your network can open this page and use this computer for their photos."
                + ("" if auth else " Give it --auth NAME:PASSWORD, or leave --host away."))  # fmt: skip
        log(f"The page is at {url} — press Ctrl+C to end it.")
        try:
            _warm_up(options)
            while not stopped.wait(1.0):
                pass
        finally:
            page.close(verbose=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def launch(page: gr.Blocks, host: str, port: int, auth: tuple[str, str] | None = None) -> str:
    """Start the server of a page and return its address; the caller closes the page. Raises BadOption."""
    try:
        _, url, _ = page.queue(default_concurrency_limit=4).launch(
            server_name=host,
            server_port=port,
            auth=auth,
            share=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            allowed_paths=[],
            max_file_size=LARGEST_FILE,
            enable_monitoring=False,
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            footer_links=[],
            theme=make_theme(),
            css_paths=STYLE_SHEET,
            head=make_head(),
        )
    except OSError as error:
        raise BadOption(
            f"The page cannot be shown at {host}:{port}; that port may be taken: name another --port."
        ) from error
    return str(url)


def _use_folder(folder: Path) -> None:
    """Have gradio keep what is uploaded, and what it makes itself, in `folder`."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(folder / "examples")


def _warm_up(options: Options) -> None:
    """Load the models and have them lay out their memory, so that the first visitor does not wait for that."""
    with suppress(FixError, ValueError):
        sample = load_photo(min(SAMPLES.glob("*")))
        large = cv2.resize(sample.pixels, _PHONE_PHOTO_PX, interpolation=cv2.INTER_LINEAR)
        opened = OpenPhoto(Path(), Photo(np.asarray(large, np.uint8)))
        opened.find_faces(options)
        preview_face(opened, 1, options)


def _remove_old_folders() -> None:
    """Remove what a page left behind that was ended by force."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLDEST_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _on_terminate(action: Callable[[], None]) -> None:
    """End in good order also when the system asks for it; only the main thread may listen."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: action())
