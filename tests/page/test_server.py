"""What the server of the page gives away, to whom, and what it says of that."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from edit.options import Options
from page import server as page_server
from tests.conftest import ROOT, SAMPLES
from tests.support.page_server import Server, serving


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "README.md"), str(SAMPLES / "image_1.jpg")])
def test_no_file_of_the_machine_can_be_read(server: Server, path: str) -> None:
    assert status_of(f"{server.url}/gradio_api/file={path}") == 403


def test_the_page_names_no_address_of_others(server: Server) -> None:
    with urllib.request.urlopen(server.url, timeout=30) as answer:
        html = answer.read().decode()
    loaded = re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["'](https?://[^"']+)""", html)
    assert [url for url in loaded if not url.startswith(server.url)] == []
    assert "fonts.googleapis.com/css" not in html


def test_who_gives_no_password_is_not_let_in(tmp_path: Path) -> None:
    with serving(tmp_path, "--auth", "anna:secret") as running:
        assert status_of(f"{running.url}/config") == 401
        assert status_of(f"{running.url}/gradio_api/info") == 401


def test_a_warning_where_others_can_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Page:
        def close(self, verbose: bool) -> None: ...

    def warm_up(_options: Options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(page_server, "build_page", lambda *_: Page())
    monkeypatch.setattr(page_server, "launch", lambda *_: "http://somewhere")
    monkeypatch.setattr(page_server, "_warm_up", warm_up)
    monkeypatch.setattr(page_server, "_on_terminate", lambda _: None)

    def listen(host: str, auth: tuple[str, str] | None) -> list[str]:
        said: list[str] = []
        with pytest.raises(KeyboardInterrupt):
            page_server.serve(Options(), host, 7860, auth, said.append)
        return said

    assert len(listen("127.0.0.1", None)) == 1
    assert "--auth" in listen("0.0.0.0", None)[0]
    assert "password" in listen("0.0.0.0", ("a", "b"))[0]


def test_without_gradio_there_is_one_sentence() -> None:
    script = "import sys; sys.modules['gradio'] = None; import main; sys.exit(main.main(['--gradio']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == "error: the package gradio is not installed; run: pip install -r requirements.txt\n"
