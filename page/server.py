"""The page in the browser: its layout, what is connected to what, and the server that shows it.

All work goes through `fix_photo`. Nothing leaves the machine: no usage data, no fonts or scripts from elsewhere, and
uploads lie in a folder of their own that vanishes with the page.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edit.options import Options
from page.api import add_api
from page.events import PageEvents
from page.html import BRUSH_HINT, TOP, draw_samples
from page.session import OpenPhoto, preview_face, shrink
from page.theme import PICK_SCRIPT, STYLE_SHEET, make_brush, make_head, make_theme
from photo.errors import BadOption, FixError, MissingPackage
from photo.files import FORMATS, load_photo
from photo.types import Photo

LARGEST_FILE = "100mb"
"""Larger uploads are refused; the page says so."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

SAMPLES = Path(__file__).parents[1] / "data" / "inputs"
_FOLDER_PREFIX = "open_eyes_page_"
# Files of the page are looked through so often, and removed when so old, in seconds; so is a forgotten session.
_CLEAN_EVERY, _OLDEST = 600, 6 * 3600
# As wide and high as phones take them: what the models lay out for one size serves for others.
_PHONE_PHOTO = (4032, 3024)
_EYE_COLORS = [("As the other eye, else dark", "")] + [
    (name.capitalize(), name) for name in ("brown", "hazel", "green", "blue", "grey")
]
_ENGINE_NAMES = [("Automatic", "auto"), ("Draft", "draft"), ("Stable Diffusion", "stable-diffusion")]


def serve(
    options: Options,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    say: Callable[[str], None],
    debug: bool = False,
) -> None:
    """Show the page at `host`:`port` until the process is asked to end, then remove every file of it.

    `options` are the page's own defaults. With `auth`, a name and a password, visitors must give both. `say` is told
    where the page is, and a warning where others could reach it. Raises MissingPackage, BadOption.
    """
    _forget_old_folders()
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
    stopped = threading.Event()
    _on_terminate(stopped.set)
    try:
        page = build_page(options, folder)
        url = launch(page, folder, host, port, auth)
        if host not in LOOPBACK:
            who = "Everybody who knows the name and the password" if auth else "EVERYBODY"
            say(f"Warning: {who} in your network can open this page and use this computer for their photos."
                + ("" if auth else " Give it --auth NAME:PASSWORD, or leave --host away."))  # fmt: skip
        say(f"The page is at {url} — press Ctrl+C to end it.")
        try:
            _warm_up(options)
            while not stopped.wait(1.0):
                pass
        finally:
            page.close(verbose=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def launch(page: Any, folder: Path, host: str, port: int, auth: tuple[str, str] | None = None) -> str:
    """Start the server of a page and return its address; the caller closes the page. Raises BadOption."""
    _use_folder(folder)
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


def build_page(options: Options, folder: Path) -> Any:
    """Return the page, a `gradio.Blocks`, that keeps its files in `folder`. Raises MissingPackage."""
    _use_folder(folder)
    try:
        import gradio as gr
    except ImportError as error:
        raise MissingPackage("The page needs the package gradio: pip install -r requirements.txt") from error

    samples = {path.name: path for path in sorted(SAMPLES.glob("*")) if path.suffix.lower() in FORMATS}
    events = PageEvents(options, folder, samples)
    with gr.Blocks(
        title="Open eyes, gentle smiles", analytics_enabled=False, delete_cache=(_CLEAN_EVERY, _OLDEST), fill_width=True
    ) as page:
        parts = events.parts
        parts["session"] = gr.State(time_to_live=_OLDEST, delete_callback=lambda session: session and session.close())
        gr.HTML(TOP, padding=False)
        with gr.Column(elem_id="start") as parts["start"]:
            parts["drop"] = gr.File(
                label="Photos", file_count="multiple", file_types=list(FORMATS), type="filepath", elem_id="drop",
                height=300,
            )  # fmt: skip
            parts["samples"] = gr.HTML(draw_samples(_load_samples(samples)), js_on_load=PICK_SCRIPT)
        with gr.Column(visible=False, elem_id="work") as parts["work"]:
            with gr.Row(elem_id="bar"):
                parts["photos"] = gr.HTML(js_on_load=PICK_SCRIPT)
                parts["more"] = gr.UploadButton(
                    "Open other photos", file_count="multiple", file_types=list(FORMATS), type="filepath",
                    elem_id="more", size="md",
                )  # fmt: skip
            with gr.Row(elem_id="desk"):
                _lay_out_stage(parts)
                _lay_out_panel(parts, options)
        _connect(parts, events)
        add_api(options, folder)
    return page


def _lay_out_stage(parts: dict[str, Any]) -> None:
    import gradio as gr

    with gr.Column(scale=7, min_width=340, elem_id="stage"), gr.Tabs(selected="photo") as parts["views"]:
        with gr.Tab("Photo", id="photo"):
            parts["stage"] = gr.HTML(js_on_load=PICK_SCRIPT)
        with gr.Tab("Face", id="face"):
            parts["face"] = gr.ImageSlider(
                label="The face, before and after", show_label=False, interactive=False, type="filepath",
                max_height=560, buttons=["fullscreen"], elem_classes="compare", container=False,
            )  # fmt: skip
            parts["loupe"] = gr.HTML(visible=False)
            parts["full_size"] = gr.Checkbox(
                label="At 100 %: every pixel of the photo", container=False, visible=False, elem_id="full_size"
            )
            parts["face_hint"] = gr.HTML()
        with gr.Tab("Compare", id="result", visible=False) as parts["result_tab"]:
            parts["result"] = gr.ImageSlider(
                label="The photo, before and after", show_label=False, interactive=False, type="filepath",
                max_height=600, buttons=["fullscreen"], elem_classes="compare", container=False,
            )  # fmt: skip
        with gr.Tab("Masks", id="masks") as parts["masks_tab"]:
            parts["masks"] = gr.HTML()
        with gr.Tab("Brush", id="brush") as parts["brush_tab"]:
            gr.HTML(BRUSH_HINT)
            parts["brush"] = gr.ImageEditor(
                visible=False,
                label="Brush", show_label=False, sources=[], transforms=[], layers=False, buttons=[], elem_id="brush",
                brush=make_brush(), container=False, type="numpy", height=520,
            )  # fmt: skip


def _lay_out_panel(parts: dict[str, Any], options: Options) -> None:
    import gradio as gr

    with gr.Column(scale=4, min_width=320, elem_id="panel"):
        parts["cards"] = gr.HTML(js_on_load=PICK_SCRIPT)
        with gr.Column(elem_id="wishes", visible=False) as parts["wishes"]:
            parts["eyes"] = gr.Checkbox(label="Open the eyes", container=False)
            parts["opening"] = gr.Slider(0, 1, options.eyes.opening, step=0.05, label="How wide", buttons=[])
            parts["smile"] = gr.Checkbox(label="Smile", container=False)
            parts["strength"] = gr.Slider(0, 1, options.smile.strength, step=0.05, label="How broad", buttons=[])
        with gr.Column(elem_id="own"):
            parts["others"] = gr.File(
                label="Other photos of the same people", file_count="multiple", file_types=list(FORMATS),
                type="filepath", elem_id="others", height=84,
            )  # fmt: skip
            parts["smile_too"] = gr.Checkbox(
                value=options.smile.from_reference, label="Their smiles, too", container=False, visible=False
            )
        parts["download"] = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
        with gr.Row(elem_id="after"):
            parts["make"] = gr.Button("Fix this photo", variant="primary", elem_id="make")
            parts["again"] = gr.Button("Another try", visible=False, elem_id="again")
        parts["engine_state"] = gr.HTML()
        parts["progress"] = gr.HTML(visible=False)
        parts["cancel"] = gr.Button("Cancel", visible=False, elem_id="cancel")
        parts["report"] = gr.HTML(visible=False)
        with gr.Accordion("Engine and details", open=False, elem_id="advanced") as parts["advanced"]:
            parts["engine"] = gr.Radio(_ENGINE_NAMES, value=options.engine, label="What paints")
            parts["diffusion_state"] = gr.HTML()
            parts["eye_color"] = gr.Dropdown(_EYE_COLORS, value=options.eyes.color or "", label="Colour of opened eyes")
            parts["seed"] = gr.Number(
                options.seed, precision=0, label="Seed", info="The same seed gives the same picture"
            )
            parts["prompt"] = gr.Textbox(
                options.diffusion.prompt or "",
                label="Prompt",
                info="For Stable Diffusion; empty for the program's own words",
            )
            parts["negative"] = gr.Textbox(options.diffusion.negative_prompt or "", label="What not to paint")


def _connect(parts: Mapping[str, Any], events: PageEvents) -> None:
    import gradio as gr

    session = parts["session"]
    everything = list(parts.values())
    look = [session, parts["seed"], parts["eye_color"]]
    quick = {"show_progress": "hidden", "api_visibility": "private"}
    # What comes while the same is under way is not lost: the last of it is done next.
    latest = {**quick, "trigger_mode": "always_last"}

    def slow(place: Any) -> dict[str, Any]:
        return {**latest, "show_progress": "minimal", "show_progress_on": place}

    def with_event(method: Callable[..., Any], count: int) -> Callable[..., Any]:
        """gradio hands over an event's data only to functions that ask for it by annotation."""
        if count == 1:

            def one(first: Any, event: gr.EventData) -> Iterator[Any]:
                yield from method(first, event)

            one.__annotations__["event"] = gr.EventData
            return one

        def three(first: Any, second: Any, third: Any, event: gr.EventData) -> Any:
            return method(first, second, third, event)

        three.__annotations__["event"] = gr.EventData
        return three

    opened = [
        parts["drop"].upload(events.open_files, [session, parts["drop"]], everything, **slow(parts["drop"])),
        parts["more"].upload(events.open_files, [session, parts["more"]], everything, **slow(parts["stage"])),
        parts["samples"].pick(with_event(events.open_sample, 1), session, everything, **slow(parts["drop"])),
        parts["photos"].pick(with_event(events.pick_photo, 1), session, everything, **latest),
    ]
    for step in opened:
        step.then(events.show_face, look, everything, **quick)
        step.then(
            events.show_engine, [session, parts["engine"]], [parts["engine_state"], parts["diffusion_state"]], **quick
        )
    for name in ("stage", "cards"):
        parts[name].pick(with_event(events.pick_face, 3), look, everything, **latest)

    wishes = [parts[name] for name in ("eyes", "opening", "smile", "strength")]
    for part in wishes:
        part.input(
            events.set_wishes, [session, *wishes, *look[1:]], everything,
            concurrency_limit=2, concurrency_id="preview", **latest,
        )  # fmt: skip
    for name in ("seed", "eye_color"):
        parts[name].input(events.show_face, look, everything, **latest)
    parts["full_size"].input(
        events.set_full_size, [session, parts["full_size"], *look[1:]], everything, **slow(parts["face_hint"])
    )
    parts["engine"].input(
        events.show_engine, [session, parts["engine"]], [parts["engine_state"], parts["diffusion_state"]], **quick
    )

    others = [parts["others"], parts["smile_too"]]
    changed = [parts["others"].upload, parts["others"].clear, parts["others"].delete, parts["smile_too"].input]
    for on_change in changed:
        on_change(events.take_others, [session, *others, *look[1:]], everything, **slow(parts["cards"]))

    parts["masks_tab"].select(events.show_masks, session, [parts["masks"]], **quick)
    parts["brush_tab"].select(events.show_brush, session, [parts["brush"]], **quick)
    parts["brush"].input(events.take_strokes, [session, parts["brush"]], [parts["masks"]], **latest)

    settings = [parts[name] for name in ("engine", "seed", "eye_color", "prompt", "negative")]
    asked = parts["make"].click(events.wait, session, everything, queue=False, **quick)
    again = (
        parts["again"]
        .click(lambda seed: int(seed or 0) + 1, parts["seed"], parts["seed"], **quick)
        .then(events.wait, session, everything, queue=False, **quick)
    )
    for step in (asked, again):
        step.then(
            events.run, [session, *settings], everything, concurrency_limit=1, concurrency_id="engine", **quick
        )  # fmt: skip
    parts["cancel"].click(events.stop, session, None, queue=False, **quick)


def _load_samples(samples: Mapping[str, Path]) -> dict[str, Any]:
    return {name: shrink(np.asarray(load_photo(path).pixels), 640) for name, path in samples.items()}


def _use_folder(folder: Path) -> None:
    """Tell gradio, before it is imported, where files go and that it reports to nobody."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(folder / "examples")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"


def _warm_up(options: Options) -> None:
    """Load the models and have them lay out their memory, so that the first visitor does not wait for that."""
    with suppress(FixError, ValueError):
        sample = load_photo(min(SAMPLES.glob("*")))
        large = cv2.resize(sample.pixels, _PHONE_PHOTO, interpolation=cv2.INTER_LINEAR)
        opened = OpenPhoto(Path(), Photo(np.asarray(large, np.uint8)))
        opened.find_faces(options)
        preview_face(opened, 1, options)


def _forget_old_folders() -> None:
    """Remove what a page left behind that was ended by force."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _OLDEST:
                shutil.rmtree(folder, ignore_errors=True)


def _on_terminate(action: Callable[[], None]) -> None:
    """End in good order also when the system asks for it; only the main thread may listen."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: action())
