"""One server of the page for all tests here that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.page_server import LOOPBACK, Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page; when all is done it has left no file, ended in good order, and spoken to nobody outside."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    with serving(tmp_path_factory.mktemp("page")) as running:
        yield running
    assert list(running.folder.glob("open_eyes_page_*")) == [], "uploads were left behind"
    assert running.process.returncode == 0
    reached = set(running.connections.read_text().split())
    assert reached <= LOOPBACK, "the server spoke to somebody"
