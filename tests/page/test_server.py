"""What the server of the page gives away, to whom, and what it says of that."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from edit.options import Options
from page import server as page_server
from tests.conftest import ROOT, SAMPLES
from tests.support.page_server import Server, find_free_port, serving


def status_of(url: str, data: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def send_photo(server: Server, data: bytes, size: int | None = None, **headers: str) -> socket.socket:
    """Upload `data` as a photo, of which more may have been announced, and return the open connection."""
    head = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body = head + data + b"\r\n--edge--\r\n"
    lines = [
        "POST /gradio_api/upload HTTP/1.1",
        f"Host: {urllib.parse.urlsplit(server.url).netloc}",
        "Content-Type: multipart/form-data; boundary=edge",
        f"Content-Length: {len(body) if size is None else size}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "", "",
    ]  # fmt: skip
    host, port = urllib.parse.urlsplit(server.url).netloc.split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall("\r\n".join(lines).encode() + (body if size is None else head + data))
    return connection


def list_files(server: Server) -> set[Path]:
    return {path for path in server.folder.rglob("*") if path.is_file()}


def test_no_other_site_drives_the_page(server: Server) -> None:
    join = f"{server.url}/gradio_api/queue/join"
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "x"}).encode()
    own = {"Content_Type": "application/json"}
    assert status_of(join, body, **own) == 200
    assert status_of(join, body, **own, Origin=server.url) == 200
    assert status_of(join, body, **own, Origin="https://evil.example") == 403
    assert status_of(join, body, **own, Sec_Fetch_Site="cross-site") == 403
    assert status_of(server.url, Host="evil.example") == 421
    before = list_files(server)
    with send_photo(server, b"x" * 1000, Origin="https://evil.example") as connection:
        assert b" 403 " in connection.recv(4096)
    assert list_files(server) == before


def test_an_upload_that_broke_off_leaves_nothing(server: Server) -> None:
    before = list_files(server)
    with send_photo(server, b"x" * 300_000, size=500_000):
        deadline = time.monotonic() + 30
        while list_files(server) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list_files(server) != before, "nothing arrived"
    while list_files(server) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list_files(server) == before


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
        tries = [status_of(f"{running.url}/login", b"username=anna&password=wrong") for _ in range(3)]
        assert tries == [400, 400, 400]
        start = time.monotonic()
        assert status_of(f"{running.url}/login", b"username=anna&password=wrong") == 400
        assert time.monotonic() - start > 0.4
        assert status_of(f"{running.url}/login", b"username=anna&password=secret") == 200


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


# In a process of its own, as gradio leaves event loops open.
LEAVE = """
import sys, time, urllib.request
from pathlib import Path
from edit.options import Options
from page.layout import build_page
from page.server import launch, make_guard
from page.session import Session
from page.visitors import Visitors

folder, port = Path(sys.argv[1]), int(sys.argv[2])
visitors, session = Visitors(), Session(folder / "visitor")
visitors.add("tab", session)
page = build_page(Options(engine="draft"), folder, visitors)
url = launch(page, "127.0.0.1", port, None, make_guard(folder, "127.0.0.1"))
with urllib.request.urlopen(f"{url}gradio_api/heartbeat/tab", timeout=30) as heartbeat:
    print(heartbeat.readline().decode().strip(), session.left_at)
deadline = time.monotonic() + 60
while session.left_at is None and time.monotonic() < deadline:
    time.sleep(0.05)
print("left" if session.left_at is not None else "still there")
page.close(verbose=False)
"""


def test_a_page_that_was_closed_is_noticed(tmp_path: Path) -> None:
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "GRADIO_EXAMPLES_CACHE": str(tmp_path / "examples")}
    command = [sys.executable, "-c", LEAVE, str(tmp_path), str(find_free_port())]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert done.stdout.splitlines() == ["data: ALIVE None", "left"], done.stderr
