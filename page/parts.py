"""The components of the page by name: `layout` makes them, `events` answers with new values for them."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True, eq=False)
class Stage:
    """The tabs at the left: the photo, one face, the result, the masks, the brush."""

    tabs: gr.Tabs
    photo: gr.HTML
    face: gr.ImageSlider
    loupe: gr.HTML
    full_size: gr.Checkbox
    face_hint: gr.HTML
    result_tab: gr.Tab
    result: gr.ImageSlider
    masks_tab: gr.Tab
    masks: gr.HTML
    brush_tab: gr.Tab
    brush: gr.ImageEditor


@dataclass(frozen=True, eq=False)
class FaceSettings:
    """The switches and sliders of the selected face; `box` holds them all."""

    box: gr.Column
    eyes: gr.Checkbox
    opening: gr.Slider
    smile: gr.Checkbox
    strength: gr.Slider


@dataclass(frozen=True, eq=False)
class EngineSettings:
    """What paints, and how; `box` is the fold that holds them all."""

    box: gr.Accordion
    engine: gr.Radio
    diffusion_state: gr.HTML
    eye_color: gr.Dropdown
    seed: gr.Number
    prompt: gr.Textbox
    negative_prompt: gr.Textbox


@dataclass(frozen=True, eq=False)
class Panel:
    """The column at the right: the faces, their settings, other photos, and the work."""

    cards: gr.HTML
    face: FaceSettings
    references: gr.File
    smile_too: gr.Checkbox
    download: gr.DownloadButton
    make: gr.Button
    again: gr.Button
    engine_state: gr.HTML
    progress: gr.HTML
    cancel: gr.Button
    report: gr.HTML
    engine: EngineSettings


@dataclass(frozen=True, eq=False)
class Parts:
    """The whole page: `start` is shown until a photo is open, `work` from then on."""

    session: gr.State
    start: gr.Column
    drop: gr.File
    samples: gr.HTML
    undo: gr.HTML
    work: gr.Column
    photos: gr.HTML
    more: gr.UploadButton
    stage: Stage
    panel: Panel
