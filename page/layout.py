"""The components of the page, and which event of which component is answered by whom, with what, into what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from edit.options import Options
from page.api import add_api
from page.events import PageEvents
from page.html import BRUSH_HINT, TOP, draw_samples
from page.parts import EngineSettings, FaceSettings, Panel, Parts, Stage
from page.session import shrink
from page.theme import PICK_SCRIPT, make_brush
from page.visitors import Visitors
from photo.files import FORMATS, INPUT_ENDINGS, load_photo
from photo.types import Pixels

SAMPLES = Path(__file__).parents[1] / "data" / "inputs"
"""The folder of the sample photos."""
OLDEST_SECONDS = 6 * 3600
"""A visitor's photos and files are forgotten when they were not used for so long."""
_SAMPLE_PX = 640
_EYE_COLORS = [("As the other eye, else dark", "")] + [
    (name.capitalize(), name) for name in ("brown", "hazel", "green", "blue", "grey")
]
_ENGINE_NAMES = [("Automatic", "auto"), ("Draft", "draft"), ("Stable Diffusion", "stable-diffusion")]

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
        page.unload(events.leave)
        add_api(options, folder)
    return page


def _lay_out(options: Options, samples: Mapping[str, Path]) -> Parts:
    session = gr.State(time_to_live=OLDEST_SECONDS, delete_callback=lambda session: session and session.close())
    gr.HTML(TOP, padding=False)
    with gr.Column(elem_id="start") as start:
        drop = gr.File(
            label="Photos", file_count="multiple", file_types=list(INPUT_ENDINGS), type="filepath", elem_id="drop",
            height=300,
        )  # fmt: skip
        pictures = {name: _load_sample(path) for name, path in samples.items()}
        undo = gr.HTML(js_on_load=PICK_SCRIPT)
        sample_buttons = gr.HTML(draw_samples(pictures), js_on_load=PICK_SCRIPT)
    with gr.Column(visible=False, elem_id="work") as work:
        with gr.Row(elem_id="bar"):
            photos = gr.HTML(js_on_load=PICK_SCRIPT)
            more = gr.UploadButton(
                "Add photos", file_count="multiple", file_types=list(INPUT_ENDINGS), type="filepath",
                elem_id="more",
                size="md",
            )  # fmt: skip
        with gr.Row(elem_id="desk"):
            stage = _lay_out_stage()
            panel = _lay_out_panel(options)
    return Parts(
        session=session,
        start=start,
        drop=drop,
        samples=sample_buttons,
        undo=undo,
        work=work,
        photos=photos,
        more=more,
        stage=stage,
        panel=panel,
    )


def _load_sample(path: Path) -> Pixels:
    return shrink(np.asarray(load_photo(path).pixels), _SAMPLE_PX)


def _lay_out_stage() -> Stage:
    with gr.Column(scale=7, min_width=340, elem_id="stage"), gr.Tabs(selected="photo") as tabs:
        with gr.Tab("Photo", id="photo"):
            photo = gr.HTML(js_on_load=PICK_SCRIPT)
        with gr.Tab("Face", id="face"):
            face = gr.ImageSlider(
                label="The face, before and after", show_label=False, interactive=False, type="filepath",
                max_height=560, buttons=["fullscreen"], elem_classes="compare", container=False,
            )  # fmt: skip
            loupe = gr.HTML(visible=False)
            full_size = gr.Checkbox(
                label="At 100 %: every pixel of the photo", container=False, visible=False, elem_id="full_size"
            )
            face_hint = gr.HTML()
        with gr.Tab("Compare", id="result", visible=False) as result_tab:
            result = gr.ImageSlider(
                label="The photo, before and after", show_label=False, interactive=False, type="filepath",
                max_height=600, buttons=["fullscreen"], elem_classes="compare", container=False,
            )  # fmt: skip
        with gr.Tab("Masks", id="masks") as masks_tab:
            masks = gr.HTML()
        with gr.Tab("Brush", id="brush") as brush_tab:
            gr.HTML(BRUSH_HINT)
            brush = gr.ImageEditor(
                visible=False,
                label="Brush", show_label=False, sources=[], transforms=[], layers=False, buttons=[], elem_id="brush",
                brush=make_brush(), container=False, type="numpy", height=520,
            )  # fmt: skip
    return Stage(
        tabs=tabs,
        photo=photo,
        face=face,
        loupe=loupe,
        full_size=full_size,
        face_hint=face_hint,
        result_tab=result_tab,
        result=result,
        masks_tab=masks_tab,
        masks=masks,
        brush_tab=brush_tab,
        brush=brush,
    )


def _lay_out_panel(options: Options) -> Panel:
    with gr.Column(scale=4, min_width=320, elem_id="panel"):
        cards = gr.HTML(js_on_load=PICK_SCRIPT)
        face = _lay_out_face_settings(options)
        with gr.Column(elem_id="own"):
            references = gr.File(
                label="Other photos of the same people", file_count="multiple", file_types=list(INPUT_ENDINGS),
                type="filepath", elem_id="references", height=84,
            )  # fmt: skip
            smile_too = gr.Checkbox(
                value=options.smile.from_reference, label="Their smiles, too", container=False, visible=False
            )
        download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
        with gr.Row(elem_id="after"):
            make = gr.Button("Fix this photo", variant="primary", elem_id="make")
            again = gr.Button("Another try", visible=False, elem_id="again")
        engine_state = gr.HTML()
        progress = gr.HTML(visible=False)
        cancel = gr.Button("Cancel", visible=False, elem_id="cancel")
        report = gr.HTML(visible=False)
        engine = _lay_out_engine_settings(options)
    return Panel(
        cards=cards,
        face=face,
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
        engine = gr.Radio(_ENGINE_NAMES, value=options.engine, label="What paints")
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
    _connect_masks(parts, events)
    _connect_work(parts, events)


def _connect_opening(parts: Parts, events: PageEvents) -> None:
    """Photos are dropped, chosen, or one of the open ones is picked: it is shown, then its first face."""
    stage, panel, session = parts.stage, parts.panel, parts.session
    shown = [
        *_list_start(parts), stage.photo, stage.masks, stage.brush, panel.cards, panel.references, panel.smile_too,
        panel.engine.box, *_list_work(parts), *_list_result(parts),
    ]  # fmt: skip
    opened = [session, parts.drop, parts.more, *shown]
    steps = [
        parts.drop.upload(events.open_files, [session, parts.drop], opened, **_busy_at(parts.drop)),
        parts.more.upload(events.open_files, [session, parts.more], opened, **_busy_at(stage.photo)),
        parts.samples.pick(events.open_sample, session, opened, **_busy_at(parts.drop)),
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
        faces.pick(events.pick_face, preview, [*face, stage.tabs, *_list_start(parts)], **_LATEST)
    settings = [panel.face.eyes, panel.face.opening, panel.face.smile, panel.face.strength]
    outputs = [
        *_list_face_view(parts), stage.tabs, panel.cards, stage.photo, panel.face.opening, panel.face.strength,
        *_list_start(parts), *_list_offer(parts),
    ]  # fmt: skip
    for setting in settings:
        # A set: its values come as one mapping by component.
        setting.input(
            events.set_face, {*preview, *settings}, outputs,
            concurrency_limit=2, concurrency_id="preview", **_LATEST,
        )  # fmt: skip
    for setting in (panel.engine.seed, panel.engine.eye_color):
        setting.input(events.show_face, preview, face, **_LATEST)
    stage.full_size.input(
        events.set_full_size,
        [session, stage.full_size, *preview[1:]],
        [*face, *_list_start(parts)],
        **_busy_at(stage.face_hint),
    )
    references = [panel.references, panel.smile_too]
    changes = [panel.references.upload, panel.references.clear, panel.references.delete, panel.smile_too.input]
    for on_change in changes:
        on_change(
            events.set_references, [session, *references, *preview[1:]],
            [panel.cards, panel.smile_too, *face, *_list_start(parts), *_list_offer(parts)],
            **_busy_at(panel.cards),
        )  # fmt: skip


def _connect_masks(parts: Parts, events: PageEvents) -> None:
    stage, session = parts.stage, parts.session
    stage.masks_tab.select(events.show_masks, session, [stage.masks, *_list_start(parts)], **_QUIET)
    stage.brush_tab.select(events.show_brush, session, stage.brush, **_QUIET)
    stage.brush.input(
        events.set_strokes, [session, stage.brush, *_list_preview_inputs(parts)[1:]],
        [stage.masks, *_list_face(parts), parts.photos, *_list_offer(parts)], **_LATEST,
    )  # fmt: skip


def _connect_work(parts: Parts, events: PageEvents) -> None:
    """The engine is chosen, the work is started, started once more with the next seed, or stopped."""
    panel, engine, session = parts.panel, parts.panel.engine, parts.session
    engine.engine.input(events.show_engine, [session, engine.engine], _list_engine(parts), **_QUIET)
    settings = [session, engine.engine, engine.seed, engine.eye_color, engine.prompt, engine.negative_prompt]
    for setting in settings[1:]:
        setting.input(events.set_engine, settings, [parts.photos, *_list_offer(parts)], **_LATEST)
    waiting = [*_list_start(parts), *_list_work(parts), *_list_offer(parts)]
    asked = panel.make.click(events.wait, session, waiting, queue=False, **_QUIET)
    asked_again = panel.again.click(_next_seed, engine.seed, engine.seed, **_QUIET).then(
        events.wait, session, waiting, queue=False, **_QUIET
    )
    for step in (asked, asked_again):
        step.then(
            events.run, settings, [parts.photos, *_list_work(parts), *_list_result(parts)],
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


def _list_face_view(parts: Parts) -> list[Any]:
    stage = parts.stage
    return [stage.face, stage.loupe, stage.full_size, stage.face_hint]


def _list_face(parts: Parts) -> list[Any]:
    """The outputs of `PageEvents.show_face`."""
    face = parts.panel.face
    return [face.box, face.eyes, face.opening, face.smile, face.strength, *_list_face_view(parts)]


def _list_engine(parts: Parts) -> list[Any]:
    """The outputs of `PageEvents.show_engine`."""
    return [parts.panel.engine_state, parts.panel.engine.diffusion_state]


def _list_work(parts: Parts) -> list[Any]:
    """What shows whether work is under way."""
    return [parts.panel.engine_state, parts.panel.progress, parts.panel.cancel]


def _list_start(parts: Parts) -> list[Any]:
    """What shows whether any photo is open, and which."""
    return [parts.start, parts.work, parts.undo, parts.photos]


def _list_offer(parts: Parts) -> list[Any]:
    """What can be done next, and what was done last; `parts.photos` tells of it, too."""
    panel = parts.panel
    return [panel.report, panel.make, panel.again, panel.download]


def _list_result(parts: Parts) -> list[Any]:
    """What shows the result, or that there is none yet; and the tabs, as the result comes to the front."""
    stage = parts.stage
    return [stage.tabs, stage.result_tab, stage.result, *_list_offer(parts)]
