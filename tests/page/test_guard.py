"""The guard before the page: who may ask for what, in how many bytes, and what is said of it to browsers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from starlette.formparsers import MultiPartException

from page import guard as page_guard
from page.guard import MOST_SENT_BYTES, Guard, Limits, Refused, check_host, check_origin, name_hosts, wait_after

LIMITS = Limits(request=1000, visitor=1500, everybody=10_000)
JSON = {"content-type": "application/json"}


class Inner:
    """The application behind the guard: remembers what reached it, and answers with `body` and `status`."""

    def __init__(self, body: bytes = b"{}", kind: bytes = b"application/json", status: int = 200) -> None:
        self.body, self.kind, self.status = body, kind, status
        self.reached: list[bytes] = []
        self.broke_off = False

    async def __call__(self, _scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        body = b""
        try:
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
        except MultiPartException:
            self.broke_off = True
        self.reached.append(body)
        headers = [(b"content-type", self.kind), (b"X-Content-Type-Options", b"none")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = len(self.body) // 2
        await send({"type": "http.response.body", "body": self.body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": self.body[half:]})


class Asker:
    """Asks a guard that stands before `inner`, as a browser or a program would."""

    def __init__(self, folder: Path, inner: Inner | None = None, limits: Limits = LIMITS) -> None:
        self.inner = inner or Inner()
        self.stopping = Event()
        self.guard = Guard(
            self.inner, name_hosts("127.0.0.1"), folder, limits, scripts=["let own;"], stopping=self.stopping
        )

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *chunks: bytes,
        leaves: bool = False,
        client: str = "127.0.0.1",
    ) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers and the body of the answer; who `leaves` breaks off after what was sent."""
        messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or (b"",)]
        if leaves:
            messages.append({"type": "http.disconnect"})
        else:
            messages[-1]["more_body"] = False
        answers: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            answers.append(message)

        given = {"host": "127.0.0.1:7860", **(headers or {})}
        scope = {
            "type": "http", "method": method, "path": path, "client": (client, 5000),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }  # fmt: skip
        asyncio.run(self.guard(scope, receive, send))
        start = answers[0]
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], found, b"".join(answer["body"] for answer in answers[1:])

    def status(self, *arguments: Any, **more: Any) -> int:
        return self.ask(*arguments, **more)[0]


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


# ---- the name of the host --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "localhost:8000"])
def test_the_page_for_this_computer_answers_under_its_names(host: str) -> None:
    check_host(host, name_hosts("127.0.0.1"))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "192.168.0.7", "", "[", "127.0.0.1.evil.example"]
)
def test_it_answers_under_no_other_name(host: str) -> None:
    with pytest.raises(Refused):
        check_host(host, name_hosts("127.0.0.1"))


def test_a_page_for_the_network_answers_under_addresses_and_the_names_of_the_computer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Attic.home")
    names = name_hosts("0.0.0.0", ["photos.example"])
    for host in ("192.168.0.7:7860", "[fe80::1]:7860", "attic.home", "attic", "attic.local:7860", "photos.example"):
        check_host(host, names)
    for host in ("evil.example", "0.evil.example", "*"):
        with pytest.raises(Refused):
            check_host(host, names - {"*"} if host == "*" else names)


def test_nothing_is_asked_of_the_page_under_a_foreign_name(asker: Asker) -> None:
    assert asker.status("GET", "/", {"host": "evil.example:7860"}) == 421
    assert asker.inner.reached == []


# ---- other sites -----------------------------------------------------------------------------------------

OWN = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
FOREIGN = [
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"},
    {"origin": "http://localhost:7860"},
    {"origin": "http://127.0.0.1:7860.evil.example"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/call/fix", "/login"])
def test_another_site_changes_nothing(asker: Asker, headers: dict[str, str], path: str) -> None:
    status, _, body = asker.ask("POST", path, {**JSON, **headers}, b"{}")
    assert status == 403
    assert json.loads(body) == {"detail": "Another site may not use this page."}
    assert asker.inner.reached == []


@pytest.mark.parametrize("headers", [OWN, {}])
def test_the_page_itself_and_programs_are_let_in(asker: Asker, headers: dict[str, str]) -> None:
    assert asker.status("POST", "/gradio_api/queue/join", {**JSON, **headers}, b'{"data"', b": []}") == 200
    assert asker.inner.reached == [b'{"data": []}']


def test_another_site_may_lead_to_the_page_but_not_embed_or_read_it() -> None:
    there = {"host": "127.0.0.1:7860", "sec-fetch-site": "cross-site"}
    check_origin("GET", "/", {**there, "sec-fetch-mode": "navigate"})
    for path, mode in (("/", "no-cors"), ("/gradio_api/file=/x/photo.jpg", "navigate"), ("/config", "cors")):
        with pytest.raises(Refused):
            check_origin("GET", path, {**there, "sec-fetch-mode": mode})


# ---- addresses and files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=https://x.hf.space/"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/monitoring"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/api/open_files"),
        ("POST", "/gradio_api/stream/1"),
        ("PUT", "/gradio_api/upload"),
        ("DELETE", "/"),
        ("GET", "/gradio_api/custom_component/1/client/component/index.js"),
    ],
)
def test_what_the_page_never_asks_for_is_not_there(asker: Asker, method: str, path: str) -> None:
    assert asker.status(method, path) == 404
    assert asker.inner.reached == []


def test_files_of_the_page_alone_are_given_away(asker: Asker, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "link.jpg").symlink_to("/etc/passwd")
    assert asker.status("GET", f"/gradio_api/file={tmp_path}/photo.jpg") == 200
    for name in (
        "/etc/passwd",
        f"{tmp_path}/../secret",
        f"{tmp_path}/link.jpg",
        "http://10.0.0.1/",
        "secret",
        "~/x",
        "a\0b",
    ):
        assert asker.status("GET", f"/gradio_api/file={name}") == 403, name
        assert asker.status("GET", f"/gradio_api/file/{name}") == 403, name
    assert len(asker.inner.reached) == 1


@pytest.mark.parametrize(
    "file",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "http://10.0.0.1/photo.jpg", "meta": {"_type": "gradio.FileData"}},
        {"path": "https://example.com/photo.jpg", "url": "https://example.com/photo.jpg"},
        {"path": "photo.jpg", "orig_name": "photo.jpg"},
        {"path": ["/etc/passwd"], "meta": {}},
    ],
)
@pytest.mark.parametrize("where", [lambda file: [file], lambda file: [[file]], lambda file: [{"background": file}]])
def test_a_file_that_was_not_uploaded_is_not_opened(asker: Asker, file: Any, where: Callable[[Any], Any]) -> None:
    body = json.dumps({"data": where(file)}).encode()
    for path in ("/gradio_api/call/fix", "/gradio_api/queue/join", "/gradio_api/component_server"):
        assert asker.status("POST", path, JSON, body) == 403
    assert asker.inner.reached == []


def test_an_uploaded_file_is_opened(asker: Asker, tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "a" / "photo.jpg"), "url": "http://127.0.0.1:7860/x", "meta": {"_type": "x"}}
    body = json.dumps({"data": [[file], {"path": None, "meta": {}}]}).encode()
    assert asker.status("POST", "/gradio_api/queue/join", JSON, body) == 200
    assert asker.inner.reached == [body]


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(asker: Asker, body: bytes) -> None:
    assert asker.status("POST", "/gradio_api/queue/join", JSON, body) == 400


# ---- sizes -----------------------------------------------------------------------------------------------


def test_a_request_that_is_no_upload_is_small(asker: Asker) -> None:
    large = b" " * (MOST_SENT_BYTES // 2 + 1)
    assert asker.status("POST", "/gradio_api/component_server", {}, large, large) == 413
    assert asker.inner.reached == []


def test_an_upload_within_the_limits_arrives(asker: Asker) -> None:
    assert asker.status("POST", "/gradio_api/upload", {"content-length": "1000"}, b"x" * 600, b"x" * 400) == 200
    assert asker.inner.reached == [b"x" * 1000] and not asker.inner.broke_off


def test_an_upload_that_says_that_it_is_too_large_is_not_read(asker: Asker) -> None:
    assert asker.status("POST", "/gradio_api/upload", {"content-length": "1001"}, b"x") == 413
    assert asker.inner.reached == []


def test_an_upload_that_is_larger_than_it_says_ends_as_one_that_cannot_be_read(asker: Asker) -> None:
    asker.ask("POST", "/gradio_api/upload", {"content-length": "10"}, b"x" * 600, b"x" * 600)
    assert asker.inner.broke_off and asker.inner.reached == [b"x" * 600]


def test_an_upload_that_breaks_off_ends_as_one_that_cannot_be_read(asker: Asker) -> None:
    asker.ask("POST", "/gradio_api/upload", {}, b"x" * 600, leaves=True)
    assert asker.inner.broke_off


def test_a_visitor_has_a_quota_which_others_do_not_use_up(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = ("POST", "/gradio_api/upload", {"content-length": "1000"}, b"x" * 1000)
    assert asker.status(*upload) == 200
    assert asker.status(*upload) == 413
    assert asker.status(*upload, client="10.0.0.2") == 200
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert asker.status(*upload) == 200


def test_all_together_have_a_quota(asker: Asker, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "photo").write_bytes(b"x" * 9500)
    (tmp_path / "again").hardlink_to(tmp_path / "a" / "photo")
    assert asker.status("POST", "/gradio_api/upload", {"content-length": "600"}, b"x" * 600) == 413
    assert asker.status("POST", "/gradio_api/upload", {"content-length": "500"}, b"x" * 500) == 200
    (tmp_path / "more").write_bytes(b"x" * 500)
    assert asker.status("POST", "/gradio_api/upload", {}, b"") == 413, "there is room for nothing"


# ---- passwords -------------------------------------------------------------------------------------------


def test_wrong_passwords_are_answered_later_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    inner = Inner(status=400)
    asker = Asker(tmp_path, inner)
    for _ in range(6):
        asker.ask("POST", "/login")
    assert waited[:3] == [0, 0, 0]
    assert waited[3:] == sorted(waited[3:]) and waited[3] > 0 and waited[5] >= 4 * waited[3]
    asker.ask("POST", "/login", client="10.0.0.2")
    assert waited[-1] == 0, "somebody else did nothing wrong"
    inner.status = 200
    asker.ask("POST", "/login")
    asker.ask("POST", "/login")
    assert waited[-1] == 0, "the right password was given meanwhile"


def test_nobody_waits_for_ever() -> None:
    assert 10 <= wait_after(1000) <= 60


# ---- headers ---------------------------------------------------------------------------------------------


def find_directive(policy: str, name: str) -> list[str]:
    return next(part.split()[1:] for part in policy.split("; ") if part.split()[0] == name)


@pytest.mark.parametrize("path", ["/gradio_api/info", "/nothing"])
def test_each_answer_has_its_headers_once(asker: Asker, path: str) -> None:
    _, headers, _ = asker.ask("GET", path)
    lower = [name.lower() for name in headers]
    assert len(set(lower)) == len(lower)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert find_directive(policy, "frame-ancestors") == ["'none'"]
    assert find_directive(policy, "default-src") == ["'self'"]
    assert not re.search(r"https?:|\*|script-src[^;]*unsafe-inline", policy)


def test_the_scripts_of_the_page_run_and_no_others(tmp_path: Path) -> None:
    page = b'<script>let a;</script><script src="x.js"></script><script type="x">let b;\n</script><p onload="c">'
    _, headers, body = Asker(tmp_path, Inner(page, b"text/html; charset=utf-8")).ask("GET", "/")
    assert body == page
    scripts = find_directive(headers["content-security-policy"], "script-src")
    known = {page_guard._hash(script) for script in (b"let own;", b"let a;", b"let b;\n")}
    assert {script.strip("'") for script in scripts if "sha256" in script} == known
    assert "'unsafe-inline'" not in scripts


def test_what_is_no_request_passes_and_no_socket_opens(tmp_path: Path) -> None:
    inner = Inner()
    guard = Guard(inner, name_hosts("127.0.0.1"), tmp_path, LIMITS)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    asyncio.run(guard({"type": "lifespan"}, receive, send))
    assert inner.reached == [b""]
    sent.clear()
    asyncio.run(guard({"type": "websocket", "path": "/"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_once_the_page_is_being_closed_nobody_is_let_in(asker: Asker) -> None:
    assert asker.status("GET", "/gradio_api/app_id") == 200
    asker.stopping.set()
    assert asker.status("GET", "/gradio_api/app_id") == 503
