"""The long work on the page: fixing the open photos, with a bar, a way to stop, and the result.

An answer maps the parts of the page that change to their new values. Errors become one sentence in a toast.
"""

from __future__ import annotations

import html
import logging
import queue
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from engines import choose_engine
from photo_types import FixError, Options
from ui_session import OpenPhoto, Session, Stopped, fix_opened, save_opened, shrink
from ui_words import PREVIEW_PX, describe_result, draw_progress

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
        self._options = replace(options, offline=True, faces=None)
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
            eye_color=settings.eye_color or None,
            prompt=settings.prompt.strip() or None,
            negative_prompt=settings.negative_prompt.strip() or None,
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
