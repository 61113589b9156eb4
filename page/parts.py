"""The components of the page by name: `layout` makes them, `events` answers with new values for them."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True, eq=False)
class Stage:
    """The canvas: the photo with all that lies on it, and what is told of what is done there."""

    photo: gr.HTML
    tools: gr.HTML


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
    more_references: gr.UploadButton
    use_open: gr.Button
    references: gr.HTML
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
    demo: gr.HTML
    drop: gr.UploadButton
    samples: gr.HTML
    undo: gr.HTML
    work: gr.Column
    photos: gr.HTML
    more: gr.UploadButton
    stage: Stage
    panel: Panel
