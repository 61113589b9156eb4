"""The server of the page: shows it at an address until the process is asked to end, and removes its files then.

Nothing leaves the machine: no usage data, no fonts or scripts from elsewhere, and uploads lie in a folder of their own
that vanishes with the page.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from starlette.middleware import Middleware

from edit.options import Options
from page.folders import make_folder, remove_unclaimed
from page.guard import LOOPBACK, Guard, Limits, name_hosts
from page.layout import SAMPLES, build_page
from page.session import OpenPhoto, preview_face
from page.theme import LARGEST_FILE_MB, STYLE_SHEET, make_head, make_theme, read_script
from page.visitors import Visitors
from photo.errors import BadOption, FixError
from photo.files import load_photo
from photo.types import Photo

LIMITS = Limits(request=1200 * 2**20, visitor=2 * 2**30, everybody=6 * 2**30)
"""How much may be uploaded: twelve of the largest files at once, and so much in half an hour; and for all together."""
# How often it is looked for what nobody needs any more.
_SWEEP_SECONDS = 15.0
# Width and height as phones take photos: what the models lay out for one size serves for others.
_PHONE_PHOTO_PX = (4032, 3024)


def serve(
    options: Options,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    log: Callable[[str], None],
    names: Iterable[str] = (),
) -> None:
    """Show the page at `host`:`port` until the process is asked to end, then remove every file of it.

    `options` are the page's own defaults. With `auth`, a name and a password, visitors must give both. `log` gets
    the address of the page, and a warning where others can reach it. `names` are further names of the host, such as
    that of a proxy before the page. Raises BadOption.
    """
    stopped = threading.Event()
    _on_terminate(stopped.set)
    with make_folder() as folder:
        _use_folder(folder)
        visitors = Visitors()
        page = build_page(options, folder, visitors)
        url = launch(page, host, port, auth, make_guard(folder, host, names, stopped))
        if host not in LOOPBACK:
            who = "Everybody who knows the name and the password" if auth else "EVERYBODY"
            log(f"Warning: {who} in your network can open this page and use this computer for their photos."
                + ("" if auth else " Give it --auth NAME:PASSWORD, or leave --host away."))  # fmt: skip
        log(f"The page is at {url} — press Ctrl+C to end it.")
        try:
            _warm_up(options)
            while not stopped.wait(_SWEEP_SECONDS):
                remove_unclaimed(folder)
                visitors.rest(options)
        finally:
            page.close(verbose=False)


def make_guard(
    folder: Path, host: str, names: Iterable[str] = (), stopping: threading.Event | None = None
) -> Middleware:
    """Return what stands before a page that listens at `host`, has its files in `folder`, and ends once `stopping`."""
    return Middleware(
        Guard, names=name_hosts(host, names), folder=folder, limits=LIMITS, scripts=(read_script(),), stopping=stopping
    )


def launch(page: gr.Blocks, host: str, port: int, auth: tuple[str, str] | None, guard: Middleware) -> str:
    """Start the server of a page behind its guard and return its address; the caller closes it. Raises BadOption."""
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
            max_file_size=f"{LARGEST_FILE_MB}mb",
            enable_monitoring=False,
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            footer_links=[],
            theme=make_theme(),
            css_paths=STYLE_SHEET,
            head=make_head(),
            app_kwargs={"middleware": [guard]},
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


def _on_terminate(action: Callable[[], None]) -> None:
    """End in good order also when the system asks for it; only the main thread may listen."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: action())
