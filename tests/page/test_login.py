"""Where the password of the page comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from page.login import VARIABLE, find_login
from photo.errors import BadOption

ANNA = ("anna", "secret: word")


def refuse(_question: str) -> str:
    raise AssertionError("nobody is to be asked")


def test_without_any_everybody_may_come() -> None:
    assert find_login(None, None, {}, refuse) is None
    assert find_login(None, None, {VARIABLE: ""}, refuse) is None


def test_the_flag_the_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text("anna:secret: word\nmore\n")
    environment = {VARIABLE: "bert:other"}
    assert find_login(ANNA, None, environment, refuse) == ANNA
    assert find_login(None, file, environment, refuse) == ANNA
    assert find_login(None, None, environment, refuse) == ("bert", "other")


def test_an_empty_password_is_asked_for() -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "secret"

    assert find_login(("anna", ""), None, {}, answer) == ("anna", "secret")
    assert len(questions) == 1 and "anna" in questions[0]
    with pytest.raises(BadOption, match="empty"):
        find_login(("anna", ""), None, {}, lambda _question: "")
    with pytest.raises(BadOption, match="no terminal"):
        find_login(("anna", ""), None, {}, None)


@pytest.mark.parametrize("text", ["", "anna", ":secret", "anna:"])
def test_what_is_no_name_and_password_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "login"
    file.write_text(text)
    with pytest.raises(BadOption, match=r"first line of .*login holds no name and password") as refusal:
        find_login(None, file, {}, refuse)
    assert "secret" not in str(refusal.value)
    if text:
        with pytest.raises(BadOption, match=VARIABLE):
            find_login(None, None, {VARIABLE: text}, refuse)


def test_files_that_cannot_be_read_and_two_sources(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="cannot be read"):
        find_login(None, tmp_path / "none", {}, refuse)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadOption, match="cannot be read"):
        find_login(None, binary, {}, refuse)
    with pytest.raises(BadOption, match="do not go together"):
        find_login(ANNA, binary, {}, refuse)
