"""The same work by HTTP: the endpoint `/fix`."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from donor.people import read_reference
from edit.options import ENGINES, Options, Wish
from page.session import name_result, read_seed
from photo.errors import BadOption, FixError
from photo.files import load_photo, save_photo
from retouch.engines import choose_engine
from retouch.marking import choose_saving
from retouch.pipeline import fix_photo
from retouch.report import describe, to_json


def add_api(options: Options, folder: Path) -> None:
    """Add the endpoint to the page that is being built; its results lie in `folder`. Nothing of it is to be seen."""

    # Its parameters are those of the endpoint, by name.
    def fix(  # noqa: PLR0913 each is a field of the request, with its name
        photo: str,
        eyes: bool,
        smile: bool,
        eye_opening: float,
        smile_strength: float,
        faces: str,
        engine: str,
        seed: float,
        references: list[str] | None = None,
        smile_from_reference: bool = False,
    ) -> tuple[str, dict[str, Any]]:
        """Open the closed eyes and raise the glum mouths of one photo."""
        try:
            if not photo:
                raise BadOption("No photo was sent.")
            wanted = replace(
                options,
                engine=engine, faces=_read_numbers(faces), seed=read_seed(seed),
                eyes=replace(options.eyes, wish=_switch(options.eyes.wish, eyes), opening=float(eye_opening)),
                smile=replace(
                    options.smile, wish=_switch(options.smile.wish, smile), strength=float(smile_strength),
                    from_reference=bool(smile_from_reference),
                ),
                diffusion=replace(options.diffusion, offline=True),
            )  # fmt: skip
            source = load_photo(Path(photo))
            painter, why_draft = choose_engine(wanted, quiet=True)
            others = [read_reference(load_photo(Path(other))) for other in references or ()]
            result = fix_photo(source, wanted, painter, references=others)
            target = folder / uuid.uuid4().hex / name_result(Path(photo))
            note = save_photo(result.pixels, source, target, saving=choose_saving(wanted.output, result.report))
        except FixError as error:
            sentence = str(error)
            for sent in (photo or "", *(references or ())):
                sentence = sentence.replace(str(Path(sent)), Path(sent).name)
            raise gr.Error(sentence, print_exception=False) from error
        text = "\n".join(filter(None, (describe(result.report), why_draft, note)))
        return str(target), {"words": text, **to_json(result.report)}

    inputs = [
        gr.File(label="photo", type="filepath", visible=False),
        gr.Checkbox(options.eyes.wish is not Wish.NEVER, label="eyes", visible=False),
        gr.Checkbox(options.smile.wish is not Wish.NEVER, label="smile", visible=False),
        gr.Slider(0, 1, options.eyes.opening, label="eye_opening", visible=False),
        gr.Slider(0, 1, options.smile.strength, label="smile_strength", visible=False),
        gr.Textbox("", label="faces, such as 1,3; empty for all", visible=False),
        gr.Radio(list(ENGINES), value=options.engine, label="engine", visible=False),
        gr.Number(options.seed, precision=0, label="seed", visible=False),
        gr.File(
            label="references: other photos of the same people", file_count="multiple", type="filepath", visible=False
        ),
        gr.Checkbox(options.smile.from_reference, label="smile_from_reference", visible=False),
    ]
    outputs = [gr.File(label="the fixed photo", visible=False), gr.JSON(label="the report", visible=False)]
    gr.Button(visible=False).click(
        fix, inputs, outputs, api_name="fix", concurrency_limit=1, concurrency_id="engine", show_progress="hidden"
    )


def _switch(wish: Wish, is_on: bool) -> Wish:
    """The wish that the page was started with, turned on or off."""
    if not is_on:
        return Wish.NEVER
    return Wish.AUTO if wish is Wish.NEVER else wish


def _read_numbers(text: str) -> tuple[int, ...] | None:
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()})) or None
    except ValueError as error:
        raise BadOption(f"faces takes numbers such as 1,3, not {text!r}.") from error
