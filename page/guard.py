"""What may reach the page: requests of its own visitors alone, and of those only what the page itself asks for.

Other sites that a visitor has open can send requests to this computer, too, in their name. A browser says which site
asks (`Origin`, `Sec-Fetch-Site`) and under which name the page was reached (`Host`); both are checked here before
anything else sees the request. Programs such as curl send no origin, and are let in as visitors are.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import json
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.formparsers import MultiPartException

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this computer can reach."""
_EVERYWHERE = ("0.0.0.0", "::", "")

# What the page and its endpoint by HTTP ask for; gradio has many more routes, and none of them is needed here.
_READ = re.compile(
    r"/|/config/?|/assets/.+|/static/.+|/svelte/.+|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/pwa_icon.*"
    r"|/logout"
    r"|/gradio_api/(info/?|openapi\.json|app_id/?|user/?|login_check/?|token/?|startup-events|theme\.css|queue/(data|status)"
    r"|heartbeat/[^/]+|upload_progress|call/(v2/)?fix/[^/]+|file=.+|file/.+)"
)
_CHANGE = re.compile(
    r"/login/?|/gradio_api/(upload|queue/join|cancel|reset/?|component_server/?|call/(v2/)?fix/?|run/[^/]+|api/fix/?)"
)
_UPLOAD, _LOGIN = "/gradio_api/upload", re.compile(r"/login/?")
_FILE = re.compile(r"/gradio_api/file[=/](.+)")

MOST_SENT_BYTES = 16 * 2**20
"""A request that is no upload may have this size: settings, and what was painted with the brush."""
_KEEP_COUNT_SECONDS = 1800.0  # uploads count for their sender for so long
# After so many wrong passwords the next answer comes later, twice as late each time, up to the last figure.
_FREE_TRIES, _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 3, 0.5, 30.0
_MOST_SENDERS = 10_000

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "media-src 'self'; object-src 'none'; frame-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True)
class Limits:
    """How much may be uploaded, in bytes: in one request, by one visitor in half an hour, and kept for all together."""

    request: int
    visitor: int
    everybody: int


class Refused(Exception):
    """A request that is not answered: the HTTP status, and a sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Guard:
    """Stands before the page, an ASGI application, and lets through what its visitors may ask for.

    `names` are the names of the hosts that the page is served at, `folder` holds all its files, `scripts` are the
    inline scripts that may run on the page beside those that its HTML holds itself. Once `stopping` is set, nobody is
    let in any more: a page that saw its connection break would otherwise take the dying server for a living one.
    """

    def __init__(
        self,
        app: Application,
        names: frozenset[str],
        folder: Path,
        limits: Limits,
        scripts: Iterable[str] = (),
        stopping: Event | None = None,
    ) -> None:
        self._app = app
        self._stopping = stopping or Event()
        self._names = names
        self._folder = folder.resolve()
        self._limits = limits
        self._scripts = tuple(_hash(script.encode()) for script in scripts)
        self._uploads: OrderedDict[str, list[tuple[float, int]]] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._logins: dict[str, asyncio.Lock] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if self._stopping.is_set():
                raise Refused(503, "The page is being closed.")
            check_host(headers.get("host", ""), self._names)
            check_origin(scope["method"], str(scope["path"]), headers)
            self._check_route(scope)
            receive = await self._limit(scope, headers, receive)
        except Refused as refusal:
            await _answer(send, refusal)
            return
        if _LOGIN.fullmatch(scope["path"]) and scope["method"] == "POST":
            await self._log_in(scope, receive, self._with_headers(send))
        else:
            await self._app(scope, receive, self._with_headers(send))

    def _check_route(self, scope: Scope) -> None:
        """Raise Refused for what the page never asks for, and for files that are not its own."""
        path, method = str(scope["path"]), str(scope["method"])
        if method == "OPTIONS":
            return
        known = {"GET": _READ, "HEAD": _READ, "POST": _CHANGE}.get(method)
        if known is None or not known.fullmatch(path):
            raise Refused(404, "There is no such address here.")
        found = _FILE.fullmatch(path)
        if found is not None and not self._is_own(found[1]) and not self._is_own(unquote(found[1])):
            raise Refused(403, "This page gives away no other files than its own.")

    def _is_own(self, name: str) -> bool:
        """Whether a path lies in the folder of the page; an address elsewhere does not."""
        try:
            path = Path(name)
            return "\0" not in name and path.is_absolute() and path.resolve().is_relative_to(self._folder)
        except (OSError, RuntimeError, ValueError):  # names no file can have, links in a circle
            return False

    # ---- what is sent ------------------------------------------------------------------------------------

    async def _limit(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        """Return what reads the body of a request, within the limits. Raises Refused."""
        if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return receive
        if scope["path"] == _UPLOAD:
            sender = _sender(scope)
            room = min(self._limits.request, self._room(sender))
            length = headers.get("content-length", "")
            if room <= 0 or (length.isdigit() and int(length) > room):
                raise Refused(413, "There is no room for so much here just now; try again later, or with fewer photos.")
            return self._count_upload(receive, sender, room)
        body = await _read_body(receive, MOST_SENT_BYTES)
        if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            self._check_paths(body)
        return _replay(body, receive)

    def _check_paths(self, body: bytes) -> None:
        """Raise Refused where a request names a file that was not uploaded here, or one for the server to fetch."""
        try:
            sent = json.loads(body or b"null")
        except (ValueError, RecursionError):
            raise Refused(400, "This is no JSON.") from None
        waiting = [sent]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                path = value.get("path")
                is_file = "meta" in value or "orig_name" in value or "url" in value
                if is_file and path is not None and not (isinstance(path, str) and self._is_own(path)):
                    raise Refused(403, "Only photos that were uploaded here can be opened.")
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value

    def _room(self, sender: str) -> int:
        """How many bytes a visitor may upload now."""
        now = time.monotonic()
        recent = [entry for entry in self._uploads.get(sender, ()) if now - entry[0] < _KEEP_COUNT_SECONDS]
        if recent:
            self._uploads[sender] = recent
        else:
            self._uploads.pop(sender, None)
        return min(
            self._limits.visitor - sum(size for _, size in recent),
            self._limits.everybody - measure_folder(self._folder),
        )

    def _count_upload(self, receive: Receive, sender: str, room: int) -> Receive:
        """Return what reads an upload; where it breaks off, or is too large, gradio removes what had arrived.

        It does so for this kind of exception alone.
        """
        entry = [time.monotonic(), 0]

        async def read() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise MultiPartException("the upload broke off")
            entry[1] += len(message.get("body", b""))
            if entry[1] > room:
                raise MultiPartException("maximum allowed size exceeded")
            if not message.get("more_body", False):
                self._uploads.setdefault(sender, []).append((entry[0], int(entry[1])))
                _forget_oldest(self._uploads)
            return message

        return read

    # ---- passwords ---------------------------------------------------------------------------------------

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a login on; who has tried wrong passwords waits first, one try after the other."""
        sender = _sender(scope)
        lock = self._logins.setdefault(sender, asyncio.Lock())
        async with lock:
            await asyncio.sleep(wait_after(self._failures.get(sender, 0)))

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    if int(message["status"]) < 400:
                        self._failures.pop(sender, None)
                    else:
                        self._failures[sender] = self._failures.get(sender, 0) + 1
                        _forget_oldest(self._failures)
                await send(message)

            await self._app(scope, receive, note)
        if len(self._logins) > _MOST_SENDERS:
            self._logins = {name: kept for name, kept in self._logins.items() if kept.locked()}

    # ---- what is answered --------------------------------------------------------------------------------

    def _with_headers(self, send: Send) -> Send:
        """Return what sends an answer with the headers that tell a browser what it may do with it.

        Of HTML the whole body is read first, as the policy names each of its scripts; no other inline script runs,
        whatever the name of a file holds.
        """
        start: Message | None = None
        body = bytearray()

        async def pass_on(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                is_html = any(name == b"content-type" and b"html" in value for name, value in message["headers"])
                start = message if is_html else None
                if not is_html:
                    await send(self._secure(message, ()))
                return
            if start is None:
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                scripts = {_hash(script) for script in _INLINE_SCRIPT.findall(bytes(body))}
                await send(self._secure(start, sorted(scripts)))
                await send({"type": "http.response.body", "body": bytes(body)})

        return pass_on

    def _secure(self, start: Message, scripts: Iterable[str]) -> Message:
        allowed = "".join(f" '{script}'" for script in (*self._scripts, *scripts))
        own = _headers(_POLICY.format(scripts=allowed))
        names = {name for name, _ in own}
        kept = [(name, value) for name, value in start["headers"] if name.lower() not in names]
        return {**start, "headers": [*kept, *own]}


def name_hosts(host: str, more: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that a page which listens at `host` is served at; who names another one was led astray.

    A page for this computer alone has the names of LOOPBACK, one for the network the computer's own, too, and any
    address in figures (see `check_host`); `more` are further ones, such as a proxy's.
    """
    names = {*LOOPBACK, host.strip("[]").lower(), *(name.lower() for name in more)}
    if host not in LOOPBACK:
        own = socket.gethostname().lower()
        names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local", _ANY_ADDRESS}
    return frozenset(names - set(_EVERYWHERE))


_ANY_ADDRESS = "*"
"""Stands for every address in figures: no foreign name can be made to point there, as there is no name."""


def check_host(host: str, names: frozenset[str]) -> None:
    """Raise Refused where the page was reached under a name that is not its own.

    Such a name belongs to another site that now points at this computer (DNS rebinding), and a browser would take the
    page for a part of that site.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if name in names or (_ANY_ADDRESS in names and _is_address(name)):
        return
    raise Refused(421, "This page is not served under that name; open it at the address that its window shows.")


def check_origin(method: str, path: str, headers: MutableMapping[str, str]) -> None:
    """Raise Refused where another site asks: for a change always, else for all but the page itself."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    is_read = method in {"GET", "HEAD"}
    if origin is not None and not (is_read and origin == "null"):
        try:
            asked = urlsplit(origin)
            is_own = asked.scheme in {"http", "https"} and asked.netloc.lower() == headers.get("host", "").lower()
        except ValueError:
            is_own = False
        if not is_own:
            raise Refused(403, "Another site may not use this page.")
    elif site in {"cross-site", "same-site"} and not (
        is_read and path == "/" and headers.get("sec-fetch-mode") == "navigate"
    ):
        # A link to the page may be followed. (Another port of this computer is the same site, but another origin.)
        raise Refused(403, "Another site may not use this page.")


def wait_after(failures: int) -> float:
    """Return for how many seconds a login waits after so many wrong ones."""
    if failures < _FREE_TRIES:
        return 0.0
    return min(_FIRST_WAIT_SECONDS * 2.0 ** min(failures - _FREE_TRIES, 16), _LONGEST_WAIT_SECONDS)


def measure_folder(folder: Path) -> int:
    """Return how many bytes the files in a folder hold together; one that goes meanwhile holds none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:
            continue
        # A photo that a visitor opened lies here under two names.
        total += status.st_size // max(status.st_nlink, 1) if path.is_file() else 0
    return total


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _sender(scope: Scope) -> str:
    return str((scope.get("client") or ("nobody",))[0])


def _forget_oldest(entries: OrderedDict[str, Any]) -> None:
    while len(entries) > _MOST_SENDERS:
        entries.popitem(last=False)


async def _read_body(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(413, f"No more than {most // 2**20} MB can be sent at once.")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then whatever comes after it."""
    waiting = [body]

    async def read() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return read


async def _answer(send: Send, refusal: Refused) -> None:
    body = json.dumps({"detail": refusal.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += _headers(_POLICY.format(scripts=""))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(policy: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


def _hash(script: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode()
