"""The long work on the page: fixing the open photos, with a bar, a way to stop, and the result.

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

from donor.people import read_reference
from edit.options import FaceChoice, Options, Wish
from face.types import EYES, Feature
from page.html import (
    PREVIEW_PX,
    describe_diffusion,
    describe_engine,
    describe_result,
    draw_cards,
    draw_loupe,
    draw_masks,
    draw_photos,
    draw_progress,
    draw_stage,
    explain,
)
from page.session import (
    FACE_VIEW_PX,
    OpenPhoto,
    Others,
    Session,
    Stopped,
    fix_opened,
    open_photo,
    preview_face,
    read_strokes,
    save_opened,
    shrink,
)
from page.theme import KEEP_PAINT
from photo.errors import FixError
from photo.files import load_photo
from photo.types import Pixels
from retouch.engines import DiffusionState, choose_engine, look_at_diffusion

Answer = dict[Any, Any]

ZIP_NAME = "final_photos.zip"
# How often the bar moves, and how often somebody who left is noticed.
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Settings:
    """What the fold of advanced settings says."""

    engine: str
    seed: int
    eye_color: str
    prompt: str
    negative_prompt: str


class WorkEvents:
    """Answers the events around the work; `parts` are the page's components by name, `options` its own defaults."""

    def __init__(self, options: Options) -> None:
        # The page never fetches weights: that takes an hour of somebody's line, and is for the command line.
        self._options = replace(options, faces=None, diffusion=replace(options.diffusion, offline=True))
        self.parts: dict[str, Any] = {}

    def wait(self, session: Session | None) -> Answer:
        """Show at once that the work was asked for; it may have to wait for that of others."""
        import gradio as gr

        if session is None:
            return self.miss(session)
        session.stop.clear()
        return self.answer(
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
                        yield self.answer(progress=draw_progress(*latest))
            finally:
                # Also when the visitor has left: their work does not hold up others.
                stop.set()
        why_draft = "" if _complain(job.exception()) else job.result()
        if photos and tuple(session.photos) == photos:
            yield {**self.show_rest(), **self.show_result(session, why_draft)}

    def show_rest(self) -> Answer:
        """No work is going on."""
        import gradio as gr

        return self.answer(
            engine_state=gr.update(visible=True),
            cancel=gr.update(visible=False),
            progress=gr.update(value="", visible=False),
        )

    def _set(self, settings: Settings) -> Options:
        return replace(
            self._options,
            engine=settings.engine,
            seed=settings.seed,
            eyes=replace(self._options.eyes, color=settings.eye_color or None),
            diffusion=replace(
                self._options.diffusion,
                prompt=settings.prompt.strip() or None,
                negative_prompt=settings.negative_prompt.strip() or None,
            ),
        )

    def show_result(self, session: Session, why_draft: str = "") -> Answer:
        """Show what came of the photo that is looked at, or that nothing did yet."""
        import gradio as gr

        opened = session.photos[session.current]
        if opened.result is None:
            return self.answer(
                result=None,
                report=gr.update(visible=False),
                make=self.offer_fix(session),
                result_tab=gr.update(visible=False),
                download=gr.update(visible=False),
                again=gr.update(visible=False),
            )
        pair = tuple(
            session.write_picture(shrink(pixels, PREVIEW_PX), "photo")
            for pixels in (opened.photo.pixels, opened.result.pixels)
        )
        note = why_draft if opened.result.report.changes else ""
        return self.answer(
            result=pair,
            report=gr.update(value=describe_result(opened, note), visible=True),
            make=self.offer_fix(session),
            result_tab=gr.update(visible=True),
            views=gr.update(selected="result"),
            download=self._offer_download(session),
            again=gr.update(visible=bool(opened.result.report.changes)),
        )

    def offer_fix(self, session: Session) -> Any:
        """The button that starts the work, as it stands."""
        import gradio as gr

        opened, count = session.photos[session.current], len(session.photos)
        again = opened.result is not None
        first = "Fix this photo" if count == 1 else f"Fix all {count} photos"
        return gr.update(
            value="Fix again" if again else first,
            variant="secondary" if again else "primary",
            visible=any(photo.faces or not photo.is_searched for photo in session.photos),
            interactive=opened.is_searched,
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

    def answer(self, **values: Any) -> Answer:
        """New values for parts of the page, by name."""
        return {self.parts[name]: value for name, value in values.items()}

    def miss(self, session: Session | None) -> Answer:
        """Answer to something that is not there; a page left alone for hours has forgotten its photos."""
        if session is None or not session.photos:
            show_toast(
                "This page was left alone for so long that it has forgotten your photos; please open them again."
            )
        return {}


def show_toast(sentence: str) -> None:
    """Show one sentence to the visitor."""
    import gradio as gr

    gr.Warning(html.escape(sentence, quote=False))


def _complain(problem: BaseException | None) -> bool:
    """Tell the visitor what went wrong, if something did; being stopped is nothing wrong."""
    if isinstance(problem, FixError):
        show_toast(str(problem))
    elif problem is not None and not isinstance(problem, Stopped):
        logging.getLogger(__name__).error("The page could not fix a photo.", exc_info=problem)
        show_toast("Something unexpected went wrong; the window that runs this page says what.")
    return problem is not None


def photo_of(session: Session | None) -> OpenPhoto | None:
    """The photo that a visitor looks at, if there is one."""
    return None if session is None else session.photo


MOST_PHOTOS = 12
"""At once: they are all kept in memory."""
# The photo under the brush: strokes need no more.
_BRUSH_PX = 1100


class PageEvents(WorkEvents):
    """Answers the events of one page; `parts` are its components by name, `options` what it was started with."""

    def __init__(self, options: Options, folder: Path, samples: Mapping[str, Path]) -> None:
        super().__init__(options)
        self._folder = folder
        self._samples = samples
        self._state: DiffusionState | None = None

    # ---- opening -----------------------------------------------------------------------------------------

    def open_files(self, session: Session | None, files: Sequence[str] | str | None) -> Iterator[Answer]:
        """Open the photos that were dropped; one that cannot be read is named in a toast."""
        paths = [Path(files)] if isinstance(files, str) else [Path(file) for file in files or ()]
        complaints = []
        if len(paths) > MOST_PHOTOS:
            complaints.append(f"Only the first {MOST_PHOTOS} photos were opened; the command line takes whole folders.")
        fresh = Session(self._folder / uuid.uuid4().hex)
        for path in paths[:MOST_PHOTOS]:
            try:
                fresh.photos.append(open_photo(path))
            except FixError as error:
                complaints.append(str(error).replace(str(path), path.name))
        emptied = self.answer(drop=None, more=None)
        if fresh.photos:
            if session is not None:
                session.close()
            for answer in self._show_photo(fresh):
                yield {**answer, **emptied, **self.answer(session=fresh)}
        else:
            yield emptied
        # Last, so that who reads them finds the place for the next photo empty.
        for complaint in complaints:
            show_toast(complaint)

    def open_sample(self, session: Session | None, event: Any) -> Iterator[Answer]:
        """Open a sample by the name of its button."""
        path = self._samples.get(str(_picked(event)))
        return self.open_files(session, [] if path is None else [str(path)])

    def pick_photo(self, session: Session | None, event: Any) -> Iterator[Answer]:
        """Look at another of the open photos."""
        number = None if session is None else _number(event, len(session.photos) - 1)
        if session is None or number is None:
            yield self.miss(session)
            return
        session.current = number
        yield from self._show_photo(session)

    def _show_photo(self, session: Session) -> Iterator[Answer]:
        """Show the photo that is looked at: at once without, and as soon as they are found with its faces."""
        import gradio as gr

        opened = session.photos[session.current]
        session.under_brush = None
        with ThreadPoolExecutor(1) as pool:
            # Under way already while the photo itself is made ready and sent.
            search = pool.submit(opened.find_faces, self._options)
            if opened.shown is None:
                opened.shown = session.write_picture(shrink(opened.photo.pixels, PREVIEW_PX), "whole")
            yield {
                **self.answer(
                    start=gr.update(visible=False),
                    work=gr.update(visible=True),
                    photos=draw_photos(session.photos, session.current),
                    views=gr.update(selected="photo"),
                    masks="",
                    brush=gr.update(value=None, visible=False),
                    smile_too=gr.update(visible=bool(opened.others.references)),
                ),
                **self.show_rest(),
                **self.show_result(session),
                **self._show_faces(opened),
            }
            try:
                search.result()
            except FixError as error:
                show_toast(str(error))
                yield self.answer(start=gr.update(visible=True), work=gr.update(visible=False))
                return
        if session.photo is opened:
            yield {**self._show_faces(opened), **self.answer(make=self.offer_fix(session))}

    def _show_faces(self, opened: OpenPhoto) -> Answer:
        import gradio as gr

        has_faces = bool(opened.faces) or not opened.is_searched
        return self.answer(
            stage=draw_stage(opened, self._options),
            cards=draw_cards(opened, self._options),
            advanced=gr.update(visible=has_faces),
            others=gr.update(visible=has_faces, **({} if opened.others.references else {"value": None})),
        )

    # ---- faces -------------------------------------------------------------------------------------------

    def pick_face(self, session: Session | None, seed: float, eye_color: str, event: Any) -> Answer:
        """Look at one face: its switches, and how it would come out."""
        import gradio as gr

        opened = photo_of(session)
        number = None if opened is None else _number(event, len(opened.faces))
        if opened is None or number is None or opened.face(number) is None:
            return self.miss(session)
        opened.selected = number
        return {
            **self.show_face(session, seed, eye_color),
            **self.answer(views=gr.update(selected="face")),
        }

    def show_face(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Set the switches and sliders as they stand for the face that is looked at, and paint it."""
        import gradio as gr

        opened = photo_of(session)
        face = None if opened is None or opened.selected is None else opened.face(opened.selected)
        if session is None or opened is None or face is None:
            return self.answer(wishes=gr.update(visible=False))
        choice = opened.choice(face.number, self._options)
        possible = opened.find_possible(face.number, self._options)
        can_open, can_smile = bool(possible - {Feature.MOUTH}), Feature.MOUTH in possible
        opens, smiles = choice.eyes is Wish.ALWAYS, choice.smile is Wish.ALWAYS
        return {
            **self.answer(
                wishes=gr.update(visible=True),
                eyes=gr.update(value=opens, interactive=can_open, info=explain(opened, face, list(EYES))),
                opening=gr.update(value=choice.eye_opening, visible=can_open and opens),
                smile=gr.update(value=smiles, interactive=can_smile, info=explain(opened, face, [Feature.MOUTH])),
                strength=gr.update(value=choice.smile_strength, visible=can_smile and smiles),
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

        opened = photo_of(session)
        if session is None or opened is None or opened.selected is None:
            return self.miss(session)
        number = opened.selected
        before = opened.choice(number, self._options)
        choice = FaceChoice(Wish.from_switch(eyes), Wish.from_switch(smile), float(opening), float(strength))
        opened.choices[number] = choice
        answer = {
            **self._paint_face(session, opened, number, seed, eye_color),
            **self.answer(views=gr.update(selected="face")),
        }
        if (before.eyes, before.smile) != (choice.eyes, choice.smile):
            answer |= self.answer(
                cards=draw_cards(opened, self._options),
                stage=draw_stage(opened, self._options),
                opening=gr.update(visible=bool(eyes)),
                strength=gr.update(visible=bool(smile)),
            )
        return answer

    def _paint_face(self, session: Session, opened: OpenPhoto, number: int, seed: float, eye_color: str) -> Answer:
        import gradio as gr

        eyes = replace(self._options.eyes, color=eye_color or None)
        options = replace(self._options, seed=int(seed or 0), eyes=eyes)
        try:
            view = preview_face(opened, number, options, at_full_size=session.at_full_size)
        except FixError as error:
            show_toast(str(error))
            return {}
        if view is None:
            return {}
        before, after = (session.write_picture(pixels, f"face_{number}") for pixels in (view.before, view.after))
        is_large = view.full_px > FACE_VIEW_PX
        in_loupe = is_large and session.at_full_size
        words = (
            f"Face {number}, pixel by pixel. Drag it about; the slider moves the line between before and after."
            if in_loupe
            else f"Face {number}, before and after. Drag the line; the wheel or two fingers zoom."
        )
        return self.answer(
            face=gr.update(visible=not in_loupe, **({} if in_loupe else {"value": (before, after)})),
            loupe=gr.update(visible=in_loupe, value=draw_loupe(before, after, view, number) if in_loupe else ""),
            full_size=gr.update(visible=is_large),
            face_hint=f'<p class="hint">{words}</p>',
        )

    def set_full_size(self, session: Session | None, is_on: bool, seed: float, eye_color: str) -> Answer:
        """Show large faces with every pixel of the photo, or fitted into the view."""
        if session is None:
            return self.miss(session)
        session.at_full_size = bool(is_on)
        return self.show_face(session, seed, eye_color)

    def take_others(
        self, session: Session | None, files: Sequence[str] | None, smile_too: bool, seed: float, eye_color: str
    ) -> Answer:
        """Look at the other photos of the same people that were dropped, and show who gets what from them."""
        import gradio as gr

        opened = photo_of(session)
        if session is None or opened is None:
            return self.miss(session)
        paths = [Path(file) for file in files or ()]
        if len(paths) > MOST_PHOTOS:
            show_toast(f"Only the first {MOST_PHOTOS} of the other photos are used.")
        known = {reference.path: reference for reference in opened.others.references}
        references = []
        for path in paths[:MOST_PHOTOS]:
            try:
                references.append(known.get(path) or read_reference(load_photo(path)))
            except FixError as error:
                show_toast(str(error).replace(str(path), path.name))
        for photo in session.photos:
            photo.take(Others(tuple(references), bool(smile_too)))
        return {
            **self.answer(cards=draw_cards(opened, self._options), smile_too=gr.update(visible=bool(references))),
            **self.show_face(session, seed, eye_color),
        }

    # ---- masks and the brush -----------------------------------------------------------------------------

    def show_masks(self, session: Session | None) -> Answer:
        """Tint what would be repainted."""
        opened = photo_of(session)
        return self.miss(session) if opened is None else self.answer(masks=draw_masks(opened, self._options))

    def show_brush(self, session: Session | None) -> Answer:
        """Lay the photo under the brush, unless it lies there."""
        import gradio as gr

        opened = photo_of(session)
        if session is None or opened is None or session.under_brush is opened:
            return {}
        session.under_brush = opened
        background = shrink(opened.photo.pixels, _BRUSH_PX)
        return self.answer(
            brush=gr.update(value={"background": background, "layers": [], "composite": None}, visible=True)
        )

    def take_strokes(self, session: Session | None, painted: Mapping[str, Any] | None) -> Answer:
        """Take over what was painted, and show what it makes of the masks."""
        opened = photo_of(session)
        if opened is None or not painted:
            return {}
        layers: list[Pixels] = [np.asarray(layer, np.uint8) for layer in painted.get("layers") or ()]
        opened.strokes = read_strokes(layers, KEEP_PAINT)
        return self.answer(masks=draw_masks(opened, self._options))

    # ---- settings ----------------------------------------------------------------------------------------

    def show_engine(self, session: Session | None, engine: str) -> Answer:
        """Say whether the chosen engine can paint here, and how long it takes."""
        if self._state is None:
            self._state = look_at_diffusion(self._options.diffusion)
        opened = photo_of(session)
        count = 1
        if opened is not None and not opened.faces:
            return self.answer(engine_state="")
        if opened is not None:
            choices = [opened.choice(face.number, self._options) for face in opened.faces]
            count = sum(Wish.ALWAYS in (choice.eyes, choice.smile) for choice in choices)
        return self.answer(
            engine_state=describe_engine(engine, self._state, count), diffusion_state=describe_diffusion(self._state)
        )


def _picked(event: Any) -> object:
    data = getattr(event, "_data", None)
    return data.get("what") if isinstance(data, dict) else None


def _number(event: Any, most: int) -> int | None:
    """The number of what was picked; None when there is no such thing."""
    text = str(_picked(event))
    return int(text) if text.isascii() and text.isdigit() and int(text) <= most else None
