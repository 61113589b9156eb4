"""The work of the page by HTTP, as docs/page.md shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from photo.mark import read_source_type
from tests.conftest import ROOT, SAMPLES
from tests.support.page_server import Server


def run_example(language: str, server: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the example of docs/page.md in a folder with a photo `group.jpg` and another of the same people."""
    shutil.copy(SAMPLES / "image_1.jpg", folder / "group.jpg")
    shutil.copy(SAMPLES / "image_4.jpg", folder / "group_2.jpg")
    page = (ROOT / "docs" / "page.md").read_text(encoding="utf-8")
    (example,) = re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    text = example.replace("http://127.0.0.1:7860", server.url)
    command = [sys.executable, "-c", text] if language == "py" else ["bash", "-euc", text]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)


def test_the_example_in_python_runs(server: Server, tmp_path: Path) -> None:
    done = run_example("py", server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "final_group.jpg" in done.stdout
    assert "opened both eyes" in done.stdout
    assert "group_2.jpg" in done.stdout, "nothing is said of the other photo"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_with_curl_runs(server: Server, tmp_path: Path) -> None:
    done = run_example("sh", server, tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "fixed.jpg") as image:
        assert image.size == (1240, 640)
        assert read_source_type(image.info["xmp"]) is not None, "it is not marked as the command line marks it"


def test_mistakes_by_http_are_one_sentence(server: Server) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    client = Client(server.url, verbose=False)
    try:
        with pytest.raises(AppError, match="faces takes numbers"):
            client.predict(photo=handle_file(str(SAMPLES / "image_2.jpg")), faces="one", api_name="/fix")
        names = set(client.view_api(return_format="dict")["named_endpoints"])
        assert names == {"/fix"}
    finally:
        client.close()
