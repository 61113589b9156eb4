"""What is said where, and how far the work is."""

from __future__ import annotations

import io
import signal
import sys
import threading
import time

import pytest

from commands import console as module
from commands.console import Console, note_interrupts


class Terminal(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes as the test sets it."""
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_quiet_console_says_mistakes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.say("done")
    console.complain("error: \x1b[31mred\nand more")
    with console.show_progress(1, 2) as on_progress:
        on_progress("painting", 0.5)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: \\x1b[31mred\nand more\n")


def test_without_a_terminal_a_line_tells_now_and_then(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    with Console().show_progress(3, 20) as on_progress:
        for now[0] in (1.0, 9.0, 10.0, 11.0, 21.0):
            on_progress(f"painting at {now[0]:g}", now[0] / 100)
    shown = capsys.readouterr()
    assert shown.out == "photo 3 of 20: painting at 10 (10%)\nphoto 3 of 20: painting at 21 (21%)\n"
    assert shown.err == ""


def test_on_a_terminal_a_bar_shows_after_a_second(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "_PATIENCE", 60.0)  # no timer of this test runs out
    with Console().show_progress(3, 20) as on_progress:
        on_progress("looking for faces", 0.1)
        assert "looking" not in terminal.getvalue()
        now[0] = 61.0
        on_progress("painting face 2", 0.4)
        assert "photo 3 of 20: painting face 2  40 %" in terminal.getvalue()
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_single_photo_needs_no_number(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "_PATIENCE", 60.0)
    with Console().show_progress() as on_progress:
        now[0] = 61.0
        on_progress("painting face 2", 0.4)
    assert "painting face 2" in terminal.getvalue() and "photo 1" not in terminal.getvalue()


def test_an_interrupt_is_noted_also_where_a_library_takes_it_for_an_error() -> None:
    interrupts: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with note_interrupts(interrupts):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            assert interrupts == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_is_noted_and_nothing_breaks() -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with note_interrupts([]):
                pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed
