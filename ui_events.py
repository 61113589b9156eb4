"""What happens when somebody does something on the page: each method answers one event.

An answer maps the parts of the page that change to their new values. Errors become one sentence in a toast.
"""

from __future__ import annotations

import html
import logging
import queue
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engines import DiffusionState, choose_engine, look_at_diffusion
from eyes_mask import EYES
from photo_types import FaceChoice, Feature, FixError, Options, Pixels
from ui_session import (
    OpenPhoto,
    Session,
    Stopped,
    fix_opened,
    open_photo,
    preview_face,
    read_strokes,
    save_opened,
    shrink,
)
from ui_style import KEEP_PAINT
from ui_words import (
    PREVIEW_PX,
    describe_diffusion,
    describe_engine,
    describe_result,
    draw_cards,
    draw_masks,
    draw_photos,
    draw_progress,
    draw_stage,
    explain,
)

Answer = dict[Any, Any]

MOST_PHOTOS = 12
"""At once: they are all kept in memory."""
ZIP_NAME = "final_photos.zip"
# How often the bar moves, and how often somebody who left is noticed.
_TICK_SECONDS = 0.1
_BRUSH_PX = 1100


@dataclass(frozen=True)
class Settings:
    """What the fold of advanced settings says."""

    engine: str
    seed: int
    eye_color: str
    prompt: str
    negative_prompt: str


class PageEvents:
    """Answers the events of one page; `parts` are its components by name, `options` what it was started with."""

    def __init__(self, options: Options, folder: Path, samples: Mapping[str, Path]) -> None:
        # The page never fetches weights: that takes an hour of somebody's line, and is for the command line.
        self._options = replace(options, offline=True, faces=None)
        self._folder = folder
        self._samples = samples
        self._state: DiffusionState | None = None
        self.parts: dict[str, Any] = {}

    # ---- opening -----------------------------------------------------------------------------------------

    def open_files(self, session: Session | None, files: Sequence[str] | str | None) -> Answer:
        """Open the photos that were dropped; one that cannot be read is named in a toast."""
        paths = [Path(files)] if isinstance(files, str) else [Path(file) for file in files or ()]
        if len(paths) > MOST_PHOTOS:
            _toast(f"Only the first {MOST_PHOTOS} were opened; the command line takes whole folders.", "Many photos")
        fresh = Session(self._folder / uuid.uuid4().hex)
        for path in paths[:MOST_PHOTOS]:
            try:
                fresh.photos.append(open_photo(path, self._options))
            except FixError as error:
                _toast(str(error).replace(str(path), path.name), f"{path.name} was not opened")
        if not fresh.photos:
            return self._answer(drop=None, more=None)
        if session is not None:
            session.close()
        return {**self._show_photo(fresh), **self._answer(session=fresh, drop=None, more=None)}

    def open_sample(self, session: Session | None, event: Any) -> Answer:
        """Open a sample by the name of its button."""
        path = self._samples.get(str(_picked(event)))
        return self.open_files(session, [] if path is None else [str(path)])

    def pick_photo(self, session: Session | None, event: Any) -> Answer:
        """Look at another of the open photos."""
        number = None if session is None else _number(event, len(session.photos) - 1)
        if session is None or number is None:
            return self._miss(session)
        session.current = number
        return self._show_photo(session)

    def _show_photo(self, session: Session) -> Answer:
        import gradio as gr

        opened = session.photos[session.current]
        session.under_brush = None
        return {
            **self._answer(
                start=gr.update(visible=False),
                work=gr.update(visible=True),
                photos=draw_photos(session.photos, session.current),
                stage=draw_stage(opened, self._options),
                cards=draw_cards(opened, self._options),
                views=gr.update(selected="photo"),
                face_tab=gr.update(visible=bool(opened.faces)),
                masks_tab=gr.update(visible=bool(opened.faces)),
                brush_tab=gr.update(visible=bool(opened.faces)),
                masks="",
                brush=gr.update(value=None, visible=False),
                advanced=gr.update(visible=bool(opened.faces)),
            ),
            **self._rest(),
            **self._show_result(session),
        }

    # ---- faces -------------------------------------------------------------------------------------------

    def pick_face(self, session: Session | None, seed: float, eye_color: str, event: Any) -> Answer:
        """Look at one face: its switches, and how it would come out."""
        import gradio as gr

        opened = _photo_of(session)
        number = None if opened is None else _number(event, len(opened.faces))
        if opened is None or number is None or opened.face(number) is None:
            return self._miss(session)
        opened.selected = number
        return {
            **self.show_face(session, seed, eye_color),
            **self._answer(views=gr.update(selected="face")),
        }

    def show_face(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Set the switches and sliders as they stand for the face that is looked at, and paint it."""
        import gradio as gr

        opened = _photo_of(session)
        face = None if opened is None or opened.selected is None else opened.face(opened.selected)
        if session is None or opened is None or face is None:
            return self._answer(wishes=gr.update(visible=False))
        choice = opened.choice(face.number, self._options)
        possible = opened.find_possible(face.number, self._options)
        can_open, can_smile = bool(possible - {Feature.MOUTH}), Feature.MOUTH in possible
        return {
            **self._answer(
                wishes=gr.update(visible=True),
                eyes=gr.update(value=bool(choice.eyes), interactive=can_open, info=explain(opened, face, list(EYES))),
                opening=gr.update(value=choice.eye_opening, visible=can_open and bool(choice.eyes)),
                smile=gr.update(
                    value=bool(choice.smile), interactive=can_smile, info=explain(opened, face, [Feature.MOUTH])
                ),
                strength=gr.update(value=choice.smile_strength, visible=can_smile and bool(choice.smile)),
            ),
            **self._paint_face(session, opened, face.number, seed, eye_color),
        }

    def set_wishes(
        self,
        session: Session | None,
        eyes: bool,
        opening: float,
        smile: bool,
        strength: float,
        seed: float,
        eye_color: str,
    ) -> Answer:
        """Take over the switches and sliders of a face, and paint it anew."""
        import gradio as gr

        opened = _photo_of(session)
        if session is None or opened is None or opened.selected is None:
            return self._miss(session)
        number = opened.selected
        before = opened.choice(number, self._options)
        opened.choices[number] = FaceChoice(bool(eyes), bool(smile), float(opening), float(strength))
        answer = {
            **self._paint_face(session, opened, number, seed, eye_color),
            **self._answer(views=gr.update(selected="face")),
        }
        if (before.eyes, before.smile) != (eyes, smile):
            answer |= self._answer(
                cards=draw_cards(opened, self._options),
                stage=draw_stage(opened, self._options),
                opening=gr.update(visible=bool(eyes)),
                strength=gr.update(visible=bool(smile)),
            )
        return answer

    def _paint_face(self, session: Session, opened: OpenPhoto, number: int, seed: float, eye_color: str) -> Answer:
        options = replace(self._options, seed=int(seed or 0), eye_color=eye_color or None)
        try:
            view = preview_face(opened, number, options)
        except FixError as error:
            _toast(str(error))
            return {}
        if view is None:
            return {}
        pair = tuple(session.write_picture(pixels, f"face_{number}") for pixels in (view.before, view.after))
        share = "" if view.scale == 1.0 else f", shown at {view.scale:.0%}"
        words = f"Face {number}, before and after{share}. Drag the line; the wheel or two fingers zoom."
        return self._answer(face=pair, face_hint=f'<p class="hint">{words}</p>')

    # ---- masks and the brush -----------------------------------------------------------------------------

    def show_masks(self, session: Session | None) -> Answer:
        """Tint what would be repainted."""
        opened = _photo_of(session)
        return self._miss(session) if opened is None else self._answer(masks=draw_masks(opened, self._options))

    def show_brush(self, session: Session | None) -> Answer:
        """Lay the photo under the brush, unless it lies there."""
        import gradio as gr

        opened = _photo_of(session)
        if session is None or opened is None or session.under_brush is opened:
            return {}
        session.under_brush = opened
        background = shrink(opened.photo.pixels, _BRUSH_PX)
        return self._answer(
            brush=gr.update(value={"background": background, "layers": [], "composite": None}, visible=True)
        )

    def take_strokes(self, session: Session | None, painted: Mapping[str, Any] | None) -> None:
        """Take over what was painted."""
        opened = _photo_of(session)
        if opened is None or not painted:
            return
        layers: list[Pixels] = [np.asarray(layer, np.uint8) for layer in painted.get("layers") or ()]
        opened.strokes = read_strokes(layers, KEEP_PAINT)

    # ---- the work ----------------------------------------------------------------------------------------

    def wait(self, session: Session | None) -> Answer:
        """Show at once that the work was asked for; it may have to wait for that of others."""
        import gradio as gr

        if session is None:
            return self._miss(session)
        session.stop.clear()
        return self._answer(
            make=gr.update(visible=False),
            cancel=gr.update(visible=True),
            progress=gr.update(value=draw_progress("waiting for my turn", 0.0), visible=True),
            engine_state=gr.update(visible=False),
            report=gr.update(visible=False),
            download=gr.update(visible=False),
            again=gr.update(visible=False),
        )

    def stop(self, session: Session | None) -> None:
        """Have the work end at its next step."""
        if session is not None:
            session.stop.set()

    def run(
        self, session: Session | None, engine: str, seed: float, eye_color: str, prompt: str, negative: str
    ) -> Iterator[Answer]:
        """Fix all open photos, telling how far it is; what was there before stays when it is stopped."""
        if session is None:
            return
        photos, stop = tuple(session.photos), session.stop
        settings = Settings(engine, int(seed or 0), eye_color, prompt, negative)
        told: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()

        def work() -> str:
            options = self._set(settings)
            painter, why_draft = choose_engine(options, quiet=True)
            for number, opened in enumerate(photos):

                def tell(words: str, share: float, number: int = number) -> None:
                    told.put((words, (number + share) / len(photos)))

                fix_opened(opened, options, painter, stop, tell)
                save_opened(opened, session.folder / str(number))
            return why_draft

        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(work)
            try:
                while not job.done():
                    wait([job], _TICK_SECONDS)
                    latest = None
                    while not told.empty():
                        latest = told.get()
                    if latest is not None:
                        yield self._answer(progress=draw_progress(*latest))
            finally:
                # Also when the visitor has left: their work does not hold up others.
                stop.set()
        why_draft = "" if _complain(job.exception()) else job.result()
        if photos and tuple(session.photos) == photos:
            yield {**self._rest(), **self._show_result(session, why_draft)}

    def _rest(self) -> Answer:
        """No work is going on."""
        import gradio as gr

        return self._answer(
            engine_state=gr.update(visible=True),
            cancel=gr.update(visible=False),
            progress=gr.update(value="", visible=False),
        )

    def _set(self, settings: Settings) -> Options:
        return replace(
            self._options,
            engine=settings.engine,
            seed=settings.seed,
            eye_color=settings.eye_color or None,
            prompt=settings.prompt.strip() or None,
            negative_prompt=settings.negative_prompt.strip() or None,
        )

    def _show_result(self, session: Session, why_draft: str = "") -> Answer:
        import gradio as gr

        opened = session.photos[session.current]
        if opened.result is None:
            return self._answer(
                result=None,
                report=gr.update(visible=False),
                make=self._offer_fix(session),
                result_tab=gr.update(visible=False),
                download=gr.update(visible=False),
                again=gr.update(visible=False),
            )
        pair = tuple(
            session.write_picture(shrink(pixels, PREVIEW_PX), "photo")
            for pixels in (opened.photo.pixels, opened.result.pixels)
        )
        note = why_draft if opened.result.report.changes else ""
        return self._answer(
            result=pair,
            report=gr.update(value=describe_result(opened, note), visible=True),
            make=self._offer_fix(session),
            result_tab=gr.update(visible=True),
            views=gr.update(selected="result"),
            download=self._offer_download(session),
            again=gr.update(visible=bool(opened.result.report.changes)),
        )

    def _offer_fix(self, session: Session) -> Any:
        import gradio as gr

        opened, count = session.photos[session.current], len(session.photos)
        again = opened.result is not None
        first = "Fix this photo" if count == 1 else f"Fix all {count} photos"
        return gr.update(
            value="Fix again" if again else first,
            variant="secondary" if again else "primary",
            visible=any(photo.faces for photo in session.photos),
        )

    def _offer_download(self, session: Session) -> Any:
        import gradio as gr

        files = [opened.saved for opened in session.photos if opened.saved is not None and opened.saved.exists()]
        if not files:
            return gr.update(visible=False)
        if len(files) == 1:
            return gr.update(visible=True, value=str(files[0]), label=f"Download {files[0].name}")
        target = session.folder / ZIP_NAME
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for number, file in enumerate(files, 1):
                is_first = all(other.name != file.name for other in files[: number - 1])
                archive.write(file, file.name if is_first else f"{file.stem}_{number}{file.suffix}")
        return gr.update(visible=True, value=str(target), label=f"Download all {len(files)} photos")

    # ---- settings ----------------------------------------------------------------------------------------

    def show_engine(self, session: Session | None, engine: str) -> Answer:
        """Say whether the chosen engine can paint here, and how long it takes."""
        if self._state is None:
            self._state = look_at_diffusion(self._options)
        opened = _photo_of(session)
        count = 1
        if opened is not None:
            choices = [opened.choice(face.number, self._options) for face in opened.faces]
            count = sum(bool(choice.eyes or choice.smile) for choice in choices)
        return self._answer(
            engine_state=describe_engine(engine, self._state, count), diffusion_state=describe_diffusion(self._state)
        )

    def _answer(self, **values: Any) -> Answer:
        return {self.parts[name]: value for name, value in values.items()}

    def _miss(self, session: Session | None) -> Answer:
        """Answer to something that is not there; a page left alone for hours has forgotten its photos."""
        if session is None or not session.photos:
            _toast("This page was left alone for so long that it has forgotten your photos; please open them again.")
        return {}


def _toast(sentence: str, title: str = "That did not work") -> None:
    import gradio as gr

    gr.Warning(html.escape(sentence), title=html.escape(title))


def _complain(problem: BaseException | None) -> bool:
    """Tell the visitor what went wrong, if something did; being stopped is nothing wrong."""
    if isinstance(problem, FixError):
        _toast(str(problem))
    elif problem is not None and not isinstance(problem, Stopped):
        logging.getLogger(__name__).error("The page could not fix a photo.", exc_info=problem)
        _toast("Something unexpected went wrong; the window that runs this page says what.")
    return problem is not None


def _photo_of(session: Session | None) -> OpenPhoto | None:
    return None if session is None else session.photo


def _picked(event: Any) -> object:
    data = getattr(event, "_data", None)
    return data.get("what") if isinstance(data, dict) else None


def _number(event: Any, most: int) -> int | None:
    """The number of what was picked; None when there is no such thing."""
    text = str(_picked(event))
    return int(text) if text.isascii() and text.isdigit() and int(text) <= most else None
