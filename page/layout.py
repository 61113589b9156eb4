"""The components of the page, and which event of which component is answered by whom, with what, into what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import numpy as np

from edit.options import Options
from page.api import add_api
from page.events import PageEvents
from page.html import ENGINE_NAMES, INTRODUCTION, OVERLAY, TOOLS, TOP, draw_samples
from page.parts import EngineSettings, FaceSettings, Panel, Parts, Stage
from page.session import shrink
from page.theme import CANVAS_SCRIPT, PICK_SCRIPT
from page.visitors import Visitors
from photo.files import INPUT_ENDINGS, load_photo
from photo.formats import FORMATS
from photo.types import Pixels

SAMPLES = Path(__file__).parents[1] / "data" / "inputs"
"""The folder of the sample photos."""
OLDEST_SECONDS = 6 * 3600
"""A visitor's photos and files are forgotten when they were not used for so long."""
_SAMPLE_PX = 640
_EYE_COLORS = [("As the other eye, else dark", "")] + [
    (name.capitalize(), name) for name in ("brown", "hazel", "green", "blue", "grey")
]

# How gradio runs an event: without a sign of its own that it is busy, and not as an endpoint by HTTP.
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# What comes while the same event is being answered is not lost: the last of it is answered next.
_LATEST: dict[str, Any] = {**_QUIET, "trigger_mode": "always_last"}


def build_page(options: Options, folder: Path, visitors: Visitors) -> gr.Blocks:
    """Return the page, not yet shown; the files of its `visitors` go into `folder`."""
    samples = {path.name: path for path in sorted(SAMPLES.glob("*")) if path.suffix.lower() in FORMATS}
    with gr.Blocks(
        title="Open eyes, gentle smiles",
        analytics_enabled=False,
        fill_width=True,
    ) as page:
        parts = _lay_out(options, samples)
        events = PageEvents(options, folder, samples, parts, visitors)
        _connect(parts, events)
        page.load(events.show_demo, None, parts.demo, **_QUIET)
        page.unload(events.leave)
        add_api(options, folder)
    return page


def _lay_out(options: Options, samples: Mapping[str, Path]) -> Parts:
    session = gr.State(time_to_live=OLDEST_SECONDS, delete_callback=lambda session: session and session.close())
    gr.HTML(TOP, padding=False)
    with gr.Column(elem_id="start") as start:
        with gr.Row(elem_id="welcome"):
            with gr.Column(elem_id="drop"):
                gr.HTML(INTRODUCTION)
                drop = _make_upload_button("Choose photos", variant="primary")
                gr.HTML('<p class="hint">JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or raw, up to 100 MB each</p>')
            demo = gr.HTML(elem_id="demo")
        undo = gr.HTML(js_on_load=PICK_SCRIPT)
        pictures = {name: _load_sample(path) for name, path in samples.items()}
        sample_buttons = gr.HTML(draw_samples(pictures), js_on_load=PICK_SCRIPT)
    with gr.Column(visible=False, elem_id="work") as work, gr.Row(elem_id="desk"):
        with gr.Column(elem_id="stage"):
            with gr.Column(elem_id="canvas"):
                photo = gr.HTML(js_on_load=PICK_SCRIPT, elem_id="photo")
                tools = gr.HTML(OVERLAY, js_on_load=CANVAS_SCRIPT, elem_id="overlay")
            gr.HTML(TOOLS, elem_id="tools", js_on_load=None)
            with gr.Row(elem_id="bar"):
                photos = gr.HTML(js_on_load=PICK_SCRIPT)
                with gr.Column(elem_id="more"):
                    more = _make_upload_button("Add photos")
        panel = _lay_out_panel(options)
    return Parts(
        session=session,
        start=start,
        demo=demo,
        drop=drop,
        samples=sample_buttons,
        undo=undo,
        work=work,
        photos=photos,
        more=more,
        stage=Stage(photo=photo, tools=tools),
        panel=panel,
    )


def _make_upload_button(label: str, variant: Literal["primary", "secondary"] = "secondary") -> gr.UploadButton:
    return gr.UploadButton(
        label, file_count="multiple", file_types=list(INPUT_ENDINGS), type="filepath", size="md", variant=variant
    )


def _load_sample(path: Path) -> Pixels:
    return shrink(np.asarray(load_photo(path).pixels), _SAMPLE_PX)


def _lay_out_panel(options: Options) -> Panel:
    with gr.Column(elem_id="panel"):
        with gr.Column(elem_id="choices"):
            cards = gr.HTML(js_on_load=PICK_SCRIPT)
            face = _lay_out_face_settings(options)
            with gr.Column(elem_id="references"):
                more_references = _make_upload_button("Add other photos of the same people")
                use_open = gr.Button("Use the other open photos", visible=False, elem_id="use_open")
                gr.HTML('<p class="hint">Whoever has open eyes in one of them gets their own from there.</p>')
                references = gr.HTML(js_on_load=PICK_SCRIPT)
                smile_too = gr.Checkbox(
                    value=options.smile.from_reference, label="Their smiles, too", container=False, visible=False
                )
            engine = _lay_out_engine_settings(options)
        with gr.Column(elem_id="foot"):
            progress = gr.HTML(visible=False)
            cancel = gr.Button("Cancel", visible=False, elem_id="cancel")
            report = gr.HTML(visible=False)
            with gr.Row(elem_id="after"):
                download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
                make = gr.Button("Fix this photo", variant="primary", elem_id="make")
                again = gr.Button("Another try", visible=False, elem_id="again")
            engine_state = gr.HTML()
    return Panel(
        cards=cards,
        face=face,
        more_references=more_references,
        use_open=use_open,
        references=references,
        smile_too=smile_too,
        download=download,
        make=make,
        again=again,
        engine_state=engine_state,
        progress=progress,
        cancel=cancel,
        report=report,
        engine=engine,
    )


def _lay_out_face_settings(options: Options) -> FaceSettings:
    with gr.Column(elem_id="settings", visible=False) as box:
        eyes = gr.Checkbox(label="Open the eyes", container=False)
        opening = gr.Slider(0, 1, options.eyes.opening, step=0.05, label="How wide", buttons=[])
        smile = gr.Checkbox(label="Smile", container=False)
        strength = gr.Slider(0, 1, options.smile.strength, step=0.05, label="How broad", buttons=[])
    return FaceSettings(box=box, eyes=eyes, opening=opening, smile=smile, strength=strength)


def _lay_out_engine_settings(options: Options) -> EngineSettings:
    with gr.Accordion("Engine and details", open=False, elem_id="advanced") as box:
        engine = gr.Radio(ENGINE_NAMES, value=options.engine, label="What paints")
        diffusion_state = gr.HTML()
        eye_color = gr.Dropdown(_EYE_COLORS, value=options.eyes.color or "", label="Colour of opened eyes")
        seed = gr.Number(options.seed, precision=0, label="Seed", info="The same seed gives the same picture")
        prompt = gr.Textbox(
            options.diffusion.prompt or "",
            label="Prompt",
            info="For Stable Diffusion; empty for the program's own words",
        )
        negative_prompt = gr.Textbox(options.diffusion.negative_prompt or "", label="What not to paint")
    return EngineSettings(
        box=box,
        engine=engine,
        diffusion_state=diffusion_state,
        eye_color=eye_color,
        seed=seed,
        prompt=prompt,
        negative_prompt=negative_prompt,
    )


# ---- what is connected to what ---------------------------------------------------------------------------


def _connect(parts: Parts, events: PageEvents) -> None:
    _connect_opening(parts, events)
    _connect_faces(parts, events)
    _connect_canvas(parts, events)
    _connect_work(parts, events)


def _connect_opening(parts: Parts, events: PageEvents) -> None:
    """Photos are dropped, chosen, or one of the open ones is picked: it is shown, then its first face."""
    panel, session = parts.panel, parts.session
    shown = _unite(
        *_list_start(parts), panel.cards, *_list_references(parts), panel.engine.box, *_list_work(parts),
        *_list_offer(parts),
    )  # fmt: skip
    opened = [session, parts.drop, parts.more, *shown]
    steps = [
        parts.drop.upload(events.open_files, [session, parts.drop], opened, **_LATEST),
        parts.more.upload(events.open_files, [session, parts.more], opened, **_LATEST),
        parts.samples.pick(events.open_sample, session, opened, **_LATEST),
        parts.photos.pick(events.pick_photo, session, shown, **_LATEST),
        parts.undo.pick(events.pick_photo, session, shown, **_LATEST),
    ]
    for step in steps:
        step.then(events.show_face, _list_preview_inputs(parts), _list_face(parts), **_QUIET)
        step.then(events.show_engine, [session, panel.engine.engine], _list_engine(parts), **_QUIET)


def _connect_faces(parts: Parts, events: PageEvents) -> None:
    """A face is picked, or what it is painted with changes: it is painted anew."""
    stage, panel, session = parts.stage, parts.panel, parts.session
    preview, face = _list_preview_inputs(parts), _list_face(parts)
    for faces in (stage.photo, panel.cards):
        faces.pick(
            events.pick_face, preview, _unite(*face, panel.cards, *_list_offer(parts), *_list_start(parts)), **_LATEST
        )
    settings = [panel.face.eyes, panel.face.opening, panel.face.smile, panel.face.strength]
    outputs = _unite(panel.cards, panel.face.opening, panel.face.strength, *_list_start(parts), *_list_offer(parts))
    for setting in settings:
        # A set: its values come as one mapping by component.
        setting.input(
            events.set_face, {*preview, *settings}, outputs,
            concurrency_limit=2, concurrency_id="preview", **_LATEST,
        )  # fmt: skip
    for setting in (panel.engine.seed, panel.engine.eye_color):
        setting.input(events.repaint_face, preview, face, **_LATEST)
    answer = _unite(panel.cards, *_list_references(parts), *face, *_list_start(parts), *_list_offer(parts))
    for on_change in (panel.more_references.upload, panel.smile_too.input):
        on_change(
            events.set_references, [session, panel.more_references, panel.smile_too, *preview[1:]], answer,
            **_busy_at(panel.cards),
        )  # fmt: skip
    others = [session, panel.smile_too, *preview[1:]]
    panel.use_open.click(events.use_open_photos, others, answer, **_busy_at(panel.cards))
    panel.references.pick(events.pick_reference, others, answer, **_busy_at(panel.cards))


def _connect_canvas(parts: Parts, events: PageEvents) -> None:
    """Something was done on the photo: painted with the brush, or seen so closely that its pixels are asked for."""
    tools, session, preview = parts.stage.tools, parts.session, _list_preview_inputs(parts)
    tools.masks(events.show_masks, session, [parts.stage.photo, *_list_start(parts)], **_QUIET)
    tools.detail(
        events.show_detail, preview, parts.stage.photo, concurrency_limit=1, concurrency_id="detail", **_LATEST
    )
    tools.strokes(events.set_strokes, preview, _unite(*_list_face(parts), *_list_offer(parts)), **_LATEST)


def _connect_work(parts: Parts, events: PageEvents) -> None:
    """The engine is chosen, the work is started, started once more with the next seed, or stopped."""
    panel, engine, session = parts.panel, parts.panel.engine, parts.session
    engine.engine.input(events.show_engine, [session, engine.engine], _list_engine(parts), **_QUIET)
    settings = [session, engine.engine, engine.seed, engine.eye_color, engine.prompt, engine.negative_prompt]
    for setting in settings[1:]:
        setting.input(events.set_engine, settings, _list_offer(parts), **_LATEST)
    waiting = _unite(*_list_start(parts), *_list_work(parts), *_list_offer(parts))
    begun = [part for part in waiting if part is not parts.stage.photo]
    asked = panel.make.click(events.wait, session, begun, queue=False, **_QUIET)
    asked_again = panel.again.click(_next_seed, engine.seed, engine.seed, **_QUIET).then(
        events.wait, session, begun, queue=False, **_QUIET
    )
    for step in (asked, asked_again):
        step.then(
            events.run, settings, _unite(*_list_work(parts), *_list_offer(parts)),
            concurrency_limit=1, concurrency_id="engine", **_QUIET,
        )  # fmt: skip
    panel.cancel.click(events.stop, session, waiting, queue=False, **_QUIET)


def _next_seed(seed: float | None) -> int:
    return int(seed or 0) + 1


def _busy_at(place: Any) -> dict[str, Any]:
    """As `_LATEST`, and meanwhile `place` shows that it is busy."""
    return {**_LATEST, "show_progress": "minimal", "show_progress_on": place}


def _list_preview_inputs(parts: Parts) -> list[Any]:
    """Whose face is painted, and with what: the inputs of `PageEvents.show_face`."""
    return [parts.session, parts.panel.engine.seed, parts.panel.engine.eye_color]


def _list_face(parts: Parts) -> list[Any]:
    """The outputs of `PageEvents.show_face`."""
    face = parts.panel.face
    return [face.box, face.eyes, face.opening, face.smile, face.strength, parts.stage.photo]


def _list_references(parts: Parts) -> list[Any]:
    """What shows the other photos of the same people."""
    panel = parts.panel
    return [panel.more_references, panel.use_open, panel.references, panel.smile_too]


def _list_engine(parts: Parts) -> list[Any]:
    """The outputs of `PageEvents.show_engine`."""
    engine = parts.panel.engine
    return [parts.panel.engine_state, engine.diffusion_state, engine.engine]


def _list_work(parts: Parts) -> list[Any]:
    """What shows whether work is under way."""
    return [parts.panel.engine_state, parts.panel.progress, parts.panel.cancel]


def _list_start(parts: Parts) -> list[Any]:
    """What shows whether any photo is open, and which."""
    return [parts.start, parts.work, parts.undo, parts.photos]


def _list_offer(parts: Parts) -> list[Any]:
    """What can be done next, and what was done last; the strip of photos and the canvas tell of it, too."""
    panel = parts.panel
    return [parts.photos, parts.stage.photo, panel.report, panel.make, panel.again, panel.download]


def _unite(*components: Any) -> list[Any]:
    """Each of these outputs once."""
    return list(dict.fromkeys(components))
