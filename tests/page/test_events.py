"""The answers of the page to its events, without a browser."""

from __future__ import annotations

import asyncio
import inspect
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gr = pytest.importorskip("gradio", reason="gradio is not installed")

from edit.options import Options
from page import events as page_events
from page.layout import build_page
from page.session import Session
from tests.conftest import SAMPLES

DRAFT = ("draft", 0, "", "", "")
PREVIEW = (0, "")


class Visitor:
    """Asks the page as gradio would, and sees to it that an answer names nothing but the outputs of its event."""

    def __init__(self, folder: Path) -> None:
        self.functions: dict[str, list[Any]] = defaultdict(list)
        for function in asyncio.run(_build(folder)).fns.values():
            self.functions[function.name].append(function)
        self.answered: dict[str, set[Any]] = defaultdict(set)
        self.session: Session | None = None

    def ask(self, name: str, *inputs: Any) -> list[dict[Any, Any]]:
        """Every answer to an event; an empty one where nothing is to change."""
        given = self.functions[name][0].fn(*inputs)
        answers = [
            {} if answer == gr.skip() else answer for answer in (given if inspect.isgenerator(given) else [given])
        ]
        for answer in answers:
            self.answered[name] |= set(answer)
            for function in self.functions[name]:
                assert set(answer) <= set(function.outputs), f"{name} answers with what is not among its outputs"
            self.session = next((value for value in answer.values() if isinstance(value, Session)), self.session)
        return answers

    def set_face(self, eyes: bool, smile: bool) -> dict[Any, Any]:
        """The answer after the switches were set; the other inputs are recognised by their labels."""
        values = {"Open the eyes": eyes, "How wide": 0.5, "Smile": smile, "How broad": 0.5, "Seed": 0}
        inputs = self.functions["set_face"][0].inputs
        given = {
            part: self.session if isinstance(part, gr.State) else values.get(part.label, "")
            for part in inputs
        }  # fmt: skip
        (answer,) = self.ask("set_face", given)
        return answer


async def _build(folder: Path) -> Any:
    """The page; made in a running event loop, as gradio makes one else and leaves it open."""
    return build_page(Options(engine="draft"), folder)


def pick(what: object) -> Any:
    return gr.EventData(None, {"what": what})


@pytest.fixture
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(page_events, "show_toast", shown.append)
    return shown


@pytest.fixture
def visitor(tmp_path: Path, toasts: list[str]) -> Visitor:
    assert toasts == []
    return Visitor(tmp_path)


def test_each_event_answers_with_all_of_its_outputs_and_no_others(visitor: Visitor, toasts: list[str]) -> None:
    photos = [str(SAMPLES / name) for name in ("image_1.jpg", "image_2.jpg")]
    visitor.ask("open_files", None, photos)
    visitor.ask("open_sample", visitor.session, pick("image_1.jpg"))
    visitor.ask("open_files", visitor.session, photos)
    visitor.ask("pick_photo", visitor.session, pick("1"))
    visitor.ask("pick_photo", visitor.session, pick("0"))
    visitor.ask("show_face", visitor.session, *PREVIEW)
    visitor.ask("show_engine", visitor.session, "draft")
    visitor.ask("pick_face", visitor.session, *PREVIEW, pick("2"))
    visitor.set_face(eyes=False, smile=False)
    visitor.ask("set_full_size", visitor.session, True, *PREVIEW)
    visitor.ask("set_references", visitor.session, [photos[0]], True, *PREVIEW)
    visitor.ask("show_masks", visitor.session)
    visitor.ask("show_brush", visitor.session)
    layer = np.full((8, 8, 4), 255, np.uint8)
    visitor.ask("set_strokes", visitor.session, {"layers": [layer]})
    visitor.ask("wait", visitor.session)
    visitor.ask("run", visitor.session, *DRAFT)

    assert toasts == []
    own = {name for name in visitor.functions if hasattr(page_events.PageEvents, name)}
    assert own == {*visitor.answered, "stop"}
    for name, answered in visitor.answered.items():
        wanted = {output for function in visitor.functions[name] for output in function.outputs}
        missing = {getattr(part, "label", part) for part in wanted - answered}
        assert not missing, f"{name} never answers with {missing}"


def test_all_results_come_home_in_one_archive(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg"), str(SAMPLES / "image_1.jpg")])
    *_, last = visitor.ask("run", visitor.session, *DRAFT)
    assert visitor.session is not None
    (archive,) = visitor.session.folder.glob("*.zip")
    assert {"value": str(archive), "label": "Download all 2 photos"}.items() <= next(
        value.items() for part, value in last.items() if isinstance(part, gr.DownloadButton)
    )
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["final_image_1.jpg", "final_image_1_2.jpg"]


def test_only_so_many_photos_are_opened_at_once(visitor: Visitor, toasts: list[str]) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")] * 13)
    assert visitor.session is not None and len(visitor.session.photos) == 12
    assert len(toasts) == 1 and "first 12 photos" in toasts[0]


def test_new_photos_replace_the_old_ones_and_their_files(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")])
    old = visitor.session
    assert old is not None and old.folder.is_dir()
    visitor.ask("open_files", old, [str(SAMPLES / "image_5.jpg")])
    assert visitor.session is not old and not old.folder.exists() and old.stop.is_set()


def test_the_photo_under_the_brush_stays_there(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")])
    (first,) = visitor.ask("show_brush", visitor.session)
    (again,) = visitor.ask("show_brush", visitor.session)
    assert first and not again
    (unpainted,) = visitor.ask("set_strokes", visitor.session, None)
    assert not unpainted


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("pick_photo", (pick("0"),)),
        ("pick_face", (*PREVIEW, pick("1"))),
        ("set_full_size", (True, *PREVIEW)),
        ("set_references", ([], False, *PREVIEW)),
        ("show_masks", ()),
        ("wait", ()),
    ],
)
def test_a_forgotten_visitor_is_told_so_and_nothing_changes(
    visitor: Visitor, toasts: list[str], name: str, inputs: tuple[Any, ...]
) -> None:
    assert visitor.ask(name, None, *inputs) == [{}]
    assert len(toasts) == 1 and "open them again" in toasts[0]


@pytest.mark.parametrize("what", ["9", "-1", "one", "²", None, {"a": 1}])
def test_what_is_not_there_cannot_be_picked(visitor: Visitor, toasts: list[str], what: object) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg")])
    assert visitor.ask("pick_photo", visitor.session, pick(what)) == [{}]
    assert visitor.ask("pick_face", visitor.session, *PREVIEW, pick(what)) == [{}]
    assert visitor.ask("open_sample", visitor.session, pick(what)) != []
    assert visitor.session is not None and visitor.session.current == 0
    assert toasts == []


def test_what_was_sent_instead_of_a_pick_is_none(visitor: Visitor, toasts: list[str]) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")])
    assert visitor.ask("pick_photo", visitor.session, gr.EventData(None, "what")) == [{}]
    assert toasts == []
