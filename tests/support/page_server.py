"""Serves the page by the real command line, and writes down whom the server speaks to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

# Loaded by the server at its start: writes down every address that Python connects to or asks for.
WATCH = """
import os, sys
def _watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        name = arguments[1][0]
    elif event == "socket.getaddrinfo":
        name = arguments[0]
    else:
        return
    with open(os.environ["CONNECTIONS"], "a") as log:
        print(name, file=log)
sys.addaudithook(_watch)
"""
LOOPBACK = {"127.0.0.1", "::1", "localhost", "None"}
"""Addresses, as WATCH writes them down, that do not leave the machine."""


@dataclass(frozen=True)
class Server:
    """A running page; `connections` is the file of the addresses that it connected to or asked for."""

    url: str
    folder: Path
    connections: Path
    process: subprocess.Popen[str]


def find_free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Server]:
    """Run `main.py --gradio` with its temporary files in `folder`, until it answers; end it as a system would."""
    watch = folder / "watch"
    watch.mkdir(parents=True)
    (watch / "sitecustomize.py").write_text(WATCH)
    temp = folder / "temp"
    temp.mkdir()
    port = int(flags[flags.index("--port") + 1]) if "--port" in flags else find_free_port()
    connections = folder / "connections.txt"
    connections.touch()
    environment = {
        **os.environ, "PYTHONPATH": str(watch), "CONNECTIONS": str(connections), "TMPDIR": str(temp),
        "OMP_NUM_THREADS": "2",
    }  # fmt: skip
    command = [sys.executable, "main.py", "--gradio", "--engine", "draft", "--port", str(port), *flags]
    with (folder / "log.txt").open("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, text=True)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(240):
                assert process.poll() is None, (folder / "log.txt").read_text()
                try:
                    urllib.request.urlopen(f"{url}/", timeout=5).close()
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.25)
            yield Server(url, temp, connections, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
