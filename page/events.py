"""The answers to what visitors do on the page: one method for each event.

An answer maps components of the page to their new values; what it does not name stays as it is. An error for the
visitor becomes one sentence in a toast.
"""

from __future__ import annotations

import html
import logging
import queue
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from donor.people import read_reference
from edit.options import FaceChoice, Options, Wish
from face.types import EYES, Feature
from page.html import (
    PREVIEW_PX,
    describe_diffusion,
    describe_engine,
    describe_findings,
    describe_result,
    draw_cards,
    draw_loupe,
    draw_masks,
    draw_photos,
    draw_progress,
    draw_stage,
)
from page.parts import Parts
from page.session import (
    FACE_VIEW_PX,
    OpenPhoto,
    References,
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
from retouch.engines import DiffusionState, check_diffusion, choose_engine

Answer = dict[Any, Any]
"""New values by component."""

MOST_PHOTOS = 12
"""So many are opened at once: they are all kept in memory."""
ZIP_NAME = "final_photos.zip"
_TICK_SECONDS = 0.1
"""How often the progress bar moves, and how soon it is noticed that the visitor has left."""
# Longest side of the photo under the brush: strokes need no finer one.
_BRUSH_PX = 1100


class PageEvents:
    """Answers the events of one page.

    `options` are the page's own defaults, `folder` holds the files of all visitors, `samples` the sample photos by
    the name of their button.
    """

    def __init__(self, options: Options, folder: Path, samples: Mapping[str, Path], parts: Parts) -> None:
        # The page never fetches weights: that takes an hour of somebody's line, and is for the command line.
        self._options = replace(options, diffusion=replace(options.diffusion, offline=True), faces=None)
        self._folder = folder
        self._samples = samples
        self._parts = parts
        self._diffusion: DiffusionState | None = None

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
                complaints.append(_leave_out_folder(error, path))
        emptied = {self._parts.drop: None, self._parts.more: None}
        if fresh.photos:
            if session is not None:
                session.close()
            for answer in self._show_photo(fresh):
                yield {**answer, **emptied, self._parts.session: fresh}
        else:
            yield emptied
        # Last, so that who reads them finds the place for the next photo empty.
        for complaint in complaints:
            show_toast(complaint)

    def open_sample(self, session: Session | None, event: gr.EventData) -> Iterator[Answer]:
        """Open a sample by the name of its button."""
        path = self._samples.get(str(_read_pick(event)))
        yield from self.open_files(session, [] if path is None else [str(path)])

    def pick_photo(self, session: Session | None, event: gr.EventData) -> Iterator[Answer]:
        """Show another of the open photos."""
        number = None if session is None else _read_number(event, len(session.photos) - 1)
        if session is None or number is None:
            yield _explain_loss(session)
            return
        session.current = number
        yield from self._show_photo(session)

    def _show_photo(self, session: Session) -> Iterator[Answer]:
        """Show the current photo: at once without its faces, and with them as soon as they are found."""
        parts, stage, panel = self._parts, self._parts.stage, self._parts.panel
        opened = session.photos[session.current]
        session.under_brush = None
        with ThreadPoolExecutor(1) as pool:
            # Under way already while the photo itself is made ready and sent.
            search = pool.submit(opened.find_faces, self._options)
            if opened.shown is None:
                opened.shown = session.write_picture(shrink(opened.photo.pixels, PREVIEW_PX), "whole")
            yield {
                parts.start: gr.update(visible=False),
                parts.work: gr.update(visible=True),
                parts.photos: draw_photos(session.photos, session.current),
                stage.tabs: gr.update(selected="photo"),
                stage.masks: "",
                stage.brush: gr.update(value=None, visible=False),
                panel.smile_too: gr.update(visible=bool(opened.references.photos)),
                **self._show_idle(),
                **self._show_result(session),
                **self._show_faces(opened),
            }
            try:
                search.result()
            except FixError as error:
                show_toast(str(error))
                yield {parts.start: gr.update(visible=True), parts.work: gr.update(visible=False)}
                return
        if session.photo is opened:
            yield {**self._show_faces(opened), panel.make: _offer_fix(session)}

    def _show_faces(self, opened: OpenPhoto) -> Answer:
        """Show the faces on the photo and in the list; without any there is nothing to set."""
        panel = self._parts.panel
        has_faces = bool(opened.faces) or not opened.is_searched
        return {
            self._parts.stage.photo: draw_stage(opened, self._options),
            panel.cards: draw_cards(opened, self._options),
            panel.engine.box: gr.update(visible=has_faces),
            panel.references: gr.update(visible=has_faces, **({} if opened.references.photos else {"value": None})),
        }

    # ---- faces -------------------------------------------------------------------------------------------

    def pick_face(self, session: Session | None, seed: float, eye_color: str, event: gr.EventData) -> Answer:
        """Select a face: show its settings, and how it would come out."""
        opened = _current_photo(session)
        number = None if opened is None else _read_number(event, len(opened.faces))
        if opened is None or number is None or opened.face(number) is None:
            return _explain_loss(session)
        opened.selected = number
        return {**self.show_face(session, seed, eye_color), self._parts.stage.tabs: gr.update(selected="face")}

    def show_face(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Set the switches and sliders to what holds for the selected face, and paint it."""
        parts = self._parts.panel.face
        opened = _current_photo(session)
        face = None if opened is None or opened.selected is None else opened.face(opened.selected)
        if session is None or opened is None or face is None:
            return {parts.box: gr.update(visible=False)}
        choice = opened.choice(face.number, self._options)
        possible = opened.find_possible(face.number, self._options)
        can_open, can_smile = bool(possible - {Feature.MOUTH}), Feature.MOUTH in possible
        opens, smiles = choice.eyes is Wish.ALWAYS, choice.smile is Wish.ALWAYS
        return {
            parts.box: gr.update(visible=True),
            parts.eyes: gr.update(value=opens, interactive=can_open, info=describe_findings(opened, face, list(EYES))),
            parts.opening: gr.update(value=choice.eye_opening, visible=can_open and opens),
            parts.smile: gr.update(
                value=smiles, interactive=can_smile, info=describe_findings(opened, face, [Feature.MOUTH])
            ),
            parts.strength: gr.update(value=choice.smile_strength, visible=can_smile and smiles),
            **self._paint_face(session, opened, face.number, seed, eye_color),
        }

    def set_face(self, values: Mapping[Any, Any]) -> Answer:
        """Take over the switches and sliders of the selected face, and paint it anew.

        `values` holds those of all components that count for it, by component.
        """
        parts, panel = self._parts, self._parts.panel
        session: Session | None = values[parts.session]
        opened = _current_photo(session)
        if session is None or opened is None or opened.selected is None:
            return _explain_loss(session)
        number = opened.selected
        before = opened.choice(number, self._options)
        choice = FaceChoice(
            eyes=Wish.from_switch(bool(values[panel.face.eyes])),
            smile=Wish.from_switch(bool(values[panel.face.smile])),
            eye_opening=float(values[panel.face.opening]),
            smile_strength=float(values[panel.face.strength]),
        )
        opened.choices[number] = choice
        answer = {
            **self._paint_face(session, opened, number, values[panel.engine.seed], values[panel.engine.eye_color]),
            parts.stage.tabs: gr.update(selected="face"),
        }
        if (before.eyes, before.smile) != (choice.eyes, choice.smile):
            answer |= {
                panel.cards: draw_cards(opened, self._options),
                parts.stage.photo: draw_stage(opened, self._options),
                panel.face.opening: gr.update(visible=choice.eyes is Wish.ALWAYS),
                panel.face.strength: gr.update(visible=choice.smile is Wish.ALWAYS),
            }
        return answer

    def _paint_face(self, session: Session, opened: OpenPhoto, number: int, seed: float, eye_color: str) -> Answer:
        """Show one face before and after; empty when it cannot be painted."""
        stage = self._parts.stage
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
        hint = (
            f"Face {number}, pixel by pixel. Drag it about; the slider moves the line between before and after."
            if in_loupe
            else f"Face {number}, before and after. Drag the line; the wheel or two fingers zoom."
        )
        return {
            stage.face: gr.update(visible=not in_loupe, **({} if in_loupe else {"value": (before, after)})),
            stage.loupe: gr.update(visible=in_loupe, value=draw_loupe(before, after, view, number) if in_loupe else ""),
            stage.full_size: gr.update(visible=is_large),
            stage.face_hint: f'<p class="hint">{hint}</p>',
        }

    def set_full_size(self, session: Session | None, is_on: bool, seed: float, eye_color: str) -> Answer:
        """Show large faces with every pixel of the photo, or fitted into the view."""
        if session is None:
            return _explain_loss(session)
        session.at_full_size = bool(is_on)
        return self.show_face(session, seed, eye_color)

    def set_references(
        self, session: Session | None, files: Sequence[str] | None, smile_too: bool, seed: float, eye_color: str
    ) -> Answer:
        """Read the other photos of the same people that were dropped, and show who gets what from them."""
        panel = self._parts.panel
        opened = _current_photo(session)
        if session is None or opened is None:
            return _explain_loss(session)
        paths = [Path(file) for file in files or ()]
        if len(paths) > MOST_PHOTOS:
            show_toast(f"Only the first {MOST_PHOTOS} of the other photos are used.")
        known = {reference.path: reference for reference in opened.references.photos}
        photos = []
        for path in paths[:MOST_PHOTOS]:
            try:
                photos.append(known.get(path) or read_reference(load_photo(path)))
            except FixError as error:
                show_toast(_leave_out_folder(error, path))
        for photo in session.photos:
            photo.set_references(References(tuple(photos), bool(smile_too)))
        return {
            panel.cards: draw_cards(opened, self._options),
            panel.smile_too: gr.update(visible=bool(photos)),
            **self.show_face(session, seed, eye_color),
        }

    # ---- masks and the brush -----------------------------------------------------------------------------

    def show_masks(self, session: Session | None) -> Answer:
        """Tint what would be repainted."""
        opened = _current_photo(session)
        if opened is None:
            return _explain_loss(session)
        return {self._parts.stage.masks: draw_masks(opened, self._options)}

    def show_brush(self, session: Session | None) -> Answer:
        """Lay the photo under the brush, unless it lies there."""
        opened = _current_photo(session)
        if session is None or opened is None or session.under_brush is opened:
            return _change_nothing()
        session.under_brush = opened
        background = shrink(opened.photo.pixels, _BRUSH_PX)
        picture = {"background": background, "layers": [], "composite": None}
        return {self._parts.stage.brush: gr.update(value=picture, visible=True)}

    def set_strokes(self, session: Session | None, painted: Mapping[str, Any] | None) -> Answer:
        """Take over what was painted by hand, and show what it makes of the masks."""
        opened = _current_photo(session)
        if opened is None or not painted:
            return _change_nothing()
        layers: list[Pixels] = [np.asarray(layer, np.uint8) for layer in painted.get("layers") or ()]
        opened.strokes = read_strokes(layers, KEEP_PAINT)
        return {self._parts.stage.masks: draw_masks(opened, self._options)}

    # ---- the engine --------------------------------------------------------------------------------------

    def show_engine(self, session: Session | None, engine: str) -> Answer:
        """Show whether the chosen engine can paint here, and how long it takes."""
        if self._diffusion is None:
            self._diffusion = check_diffusion(self._options.diffusion)
        panel = self._parts.panel
        opened = _current_photo(session)
        count = 1
        if opened is not None and not opened.faces:
            return {panel.engine_state: ""}
        if opened is not None:
            choices = [opened.choice(face.number, self._options) for face in opened.faces]
            count = sum(Wish.ALWAYS in (choice.eyes, choice.smile) for choice in choices)
        return {
            panel.engine_state: describe_engine(engine, self._diffusion, count),
            panel.engine.diffusion_state: describe_diffusion(self._diffusion),
        }

    # ---- the work ----------------------------------------------------------------------------------------

    def wait(self, session: Session | None) -> Answer:
        """Show at once that the work was asked for; it may have to wait for that of others."""
        if session is None:
            return _explain_loss(session)
        session.stop.clear()
        panel = self._parts.panel
        return {
            panel.make: gr.update(visible=False),
            panel.cancel: gr.update(visible=True),
            panel.progress: gr.update(value=draw_progress("waiting for my turn", 0.0), visible=True),
            panel.engine_state: gr.update(visible=False),
            panel.report: gr.update(visible=False),
            panel.download: gr.update(visible=False),
            panel.again: gr.update(visible=False),
        }

    def stop(self, session: Session | None) -> None:
        """Have the work end at its next step."""
        if session is not None:
            session.stop.set()

    def run(
        self, session: Session | None, engine: str, seed: float, eye_color: str, prompt: str, negative_prompt: str
    ) -> Iterator[Answer]:
        """Fix all open photos, and show how far it is; what was there before stays when it is stopped."""
        if session is None:
            return
        photos, stop = tuple(session.photos), session.stop
        steps: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()

        def work() -> str:
            options = replace(
                self._options,
                engine=engine,
                seed=int(seed or 0),
                eyes=replace(self._options.eyes, color=eye_color or None),
                diffusion=replace(
                    self._options.diffusion,
                    prompt=prompt.strip() or None,
                    negative_prompt=negative_prompt.strip() or None,
                ),
            )
            painter, why_draft = choose_engine(options, quiet=True)
            for number, opened in enumerate(photos):

                def on_progress(text: str, fraction: float, number: int = number) -> None:
                    steps.put((text, (number + fraction) / len(photos)))

                fix_opened(opened, options, painter, stop, on_progress)
                save_opened(opened, session.folder / str(number))
            return why_draft

        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(work)
            try:
                while not job.done():
                    wait([job], _TICK_SECONDS)
                    latest = None
                    while not steps.empty():
                        latest = steps.get()
                    if latest is not None:
                        yield {self._parts.panel.progress: draw_progress(*latest)}
            finally:
                # Also when the visitor has left: their work does not hold up others.
                stop.set()
        why_draft = "" if _complain(job.exception()) else job.result()
        if photos and tuple(session.photos) == photos:
            yield {**self._show_idle(), **self._show_result(session, why_draft)}

    def _show_idle(self) -> Answer:
        """Show that no work is going on."""
        panel = self._parts.panel
        return {
            panel.engine_state: gr.update(visible=True),
            panel.cancel: gr.update(visible=False),
            panel.progress: gr.update(value="", visible=False),
        }

    def _show_result(self, session: Session, why_draft: str = "") -> Answer:
        """Show what came of the current photo, or that nothing did yet."""
        stage, panel = self._parts.stage, self._parts.panel
        opened = session.photos[session.current]
        if opened.result is None:
            return {
                stage.result: None,
                panel.report: gr.update(visible=False),
                panel.make: _offer_fix(session),
                stage.result_tab: gr.update(visible=False),
                panel.download: gr.update(visible=False),
                panel.again: gr.update(visible=False),
            }
        pair = tuple(
            session.write_picture(shrink(pixels, PREVIEW_PX), "photo")
            for pixels in (opened.photo.pixels, opened.result.pixels)
        )
        note = why_draft if opened.result.report.changes else ""
        return {
            stage.result: pair,
            panel.report: gr.update(value=describe_result(opened, note), visible=True),
            panel.make: _offer_fix(session),
            stage.result_tab: gr.update(visible=True),
            stage.tabs: gr.update(selected="result"),
            panel.download: _offer_download(session),
            panel.again: gr.update(visible=bool(opened.result.report.changes)),
        }


def show_toast(sentence: str) -> None:
    """Show one sentence to the visitor."""
    gr.Warning(html.escape(sentence, quote=False))


def _change_nothing() -> Answer:
    """The answer after which all stays as it is; gradio takes an empty one for a value or an error."""
    nothing: Answer = gr.skip()
    return nothing


def _explain_loss(session: Session | None) -> Answer:
    """Answer an event of something that is not there; a page left alone for hours has forgotten its photos."""
    if session is None or not session.photos:
        show_toast("This page was left alone for so long that it has forgotten your photos; please open them again.")
    return _change_nothing()


def _complain(problem: BaseException | None) -> bool:
    """Show what went wrong, if something did, and return whether; to be stopped is nothing wrong."""
    if isinstance(problem, FixError):
        show_toast(str(problem))
    elif problem is not None and not isinstance(problem, Stopped):
        logging.getLogger(__name__).error("The page could not fix a photo.", exc_info=problem)
        show_toast("Something unexpected went wrong; the window that runs this page says what.")
    return problem is not None


def _leave_out_folder(error: FixError, path: Path) -> str:
    """The sentence of an error with the bare name of the file: the folder is a temporary one of the page."""
    return str(error).replace(str(path), path.name)


def _current_photo(session: Session | None) -> OpenPhoto | None:
    return None if session is None else session.photo


def _read_pick(event: gr.EventData) -> object:
    """What `theme.PICK_SCRIPT` sent along with a click; whoever sends something else by HTTP picks nothing."""
    data = getattr(event, "_data", None)
    return data.get("what") if isinstance(data, dict) else None


def _read_number(event: gr.EventData, most: int) -> int | None:
    """The number that was picked, 0 … `most`; None when there is no such thing."""
    text = str(_read_pick(event))
    return int(text) if text.isascii() and text.isdigit() and int(text) <= most else None


def _offer_fix(session: Session) -> Any:
    """The button that starts the work, as it should stand now."""
    opened, count = session.photos[session.current], len(session.photos)
    again = opened.result is not None
    first = "Fix this photo" if count == 1 else f"Fix all {count} photos"
    return gr.update(
        value="Fix again" if again else first,
        variant="secondary" if again else "primary",
        visible=any(photo.faces or not photo.is_searched for photo in session.photos),
        interactive=opened.is_searched,
    )


def _offer_download(session: Session) -> Any:
    """The button that hands out the results: the file, or all of them in one archive."""
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
