"""All visitors of the page: how much memory their photos take together, and when it is given back."""

from __future__ import annotations

import threading
import time

from edit.options import Options
from page.session import OpenPhoto, Session
from photo.errors import NotEnoughMemory

MOST_PIXELS_EACH = 300_000_000
"""The photos of one visitor have no more pixels than this: twelve of 25 megapixels, or the largest that can be read."""
MOST_PIXELS = 900_000_000
"""Those of all visitors together; opened and fixed they take some 6 bytes a pixel."""
REST_SECONDS = 30.0
"""Who has left for so long may come back, but their photos are read anew then."""


class Visitors:
    """Knows every visitor by what gradio calls their page."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def add(self, page: str, session: Session) -> None:
        """Remember whose page this is; those who were forgotten are left out from now on."""
        with self._lock:
            self._sessions = {name: other for name, other in self._sessions.items() if not other.is_closed}
            self._sessions[page] = session

    def leave(self, page: str | None) -> None:
        """Note that nobody looks at a page any more."""
        with self._lock:
            session = self._sessions.get(page or "")
        if session is not None:
            session.left_at = time.monotonic()

    def check_room(self, session: Session, opened: OpenPhoto) -> None:
        """Raise NotEnoughMemory when a photo would take more than a visitor, or all of them, may have."""
        height, width = opened.photo.pixels.shape[:2]
        with self._lock:
            others = sum(other.pixel_count for other in self._sessions.values() if other is not session)
        own = session.pixel_count + height * width
        if own > MOST_PIXELS_EACH:
            raise NotEnoughMemory(
                f"{opened.name} was not opened: your photos together would have more than "
                f"{MOST_PIXELS_EACH // 10**6} megapixels; put others away first."
            )
        if own + others > MOST_PIXELS:
            raise NotEnoughMemory(
                f"{opened.name} was not opened: so many photos are open on this page that there is no room for it now; "
                "try again in a few minutes."
            )

    def rest(self, options: Options, seconds: float = REST_SECONDS) -> None:
        """Give back the memory of those who have left for so long; `options` are the page's own."""
        with self._lock:
            sessions = list(self._sessions.values())
        latest = time.monotonic() - seconds
        for session in sessions:
            if session.left_at is not None and session.left_at <= latest and session.work is None:
                session.rest(options)
