"""Takes the portraits that `sources.csv` names out of git repositories, each into a folder of its source.

    python -m training.eyes.portraits REPOSITORIES PORTRAITS

REPOSITORIES holds a clone of each repository, bare or not, as OWNER+NAME or OWNER+NAME/repo. Each file is named after
the person as far as its path tells, so that no person ends up in training and evaluation both.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).with_name("sources.csv")


@dataclass(frozen=True)
class Source:
    """A row of sources.csv: which files of which commit, under which licence.

    `pattern` is a regular expression for whole paths. `checksum` is the SHA-256 of all their names and git ids.
    """

    name: str
    repository: str
    commit: str
    pattern: str
    licence: str
    licence_at: str
    checksum: str


def read_sources() -> list[Source]:
    """Return the rows of sources.csv."""
    with SOURCES.open(encoding="utf-8", newline="") as file:
        return [Source(**row) for row in csv.DictReader(file)]


def find_clone(repositories: Path, source: Source) -> Path:
    """Return the git directory of the clone of a source's repository. Raises FileNotFoundError."""
    folder = repositories / source.repository.replace("/", "+")
    for place in (folder / "repo" / ".git", folder / "repo", folder / ".git", folder):
        if (place / "objects").is_dir():
            return place
    raise FileNotFoundError(f"{source.repository} is not in {repositories}")


def list_blobs(clone: Path, source: Source) -> list[tuple[str, str]]:
    """Return path and git id of every file of a source, sorted."""
    command = ["git", "--git-dir", str(clone), "ls-tree", "-r", "-z", source.commit]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    entries = [re.match(r"\d+ blob (\w+)\t(.*)", line) for line in lines]
    return sorted((entry[2], entry[1]) for entry in entries if entry and re.fullmatch(source.pattern, entry[2]))


def checksum_of(blobs: list[tuple[str, str]]) -> str:
    """Return the SHA-256 over the names and git ids of files: they are the same files if it is the same."""
    return hashlib.sha256("".join(f"{path}\0{key}\n" for path, key in blobs).encode()).hexdigest()


def read_blobs(clone: Path, blobs: list[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file; those that the clone lacks are passed over."""
    for path, key in blobs:
        done = subprocess.run(["git", "--git-dir", str(clone), "cat-file", "blob", key], capture_output=True)
        if done.returncode == 0:
            yield path, done.stdout


def main() -> int:
    """Write the files of all sources, and say how many there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", type=Path)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--accept", action="store_true", help="go on where a checksum differs, and print the new one")
    chosen = parser.parse_args()
    for source in read_sources():
        clone = find_clone(chosen.repositories, source)
        blobs = list_blobs(clone, source)
        checksum = checksum_of(blobs)
        if checksum != source.checksum:
            print(f"{source.name}: these are other files than those of sources.csv: {checksum}", file=sys.stderr)
            if not chosen.accept:
                return 1
        folder = chosen.portraits / source.name
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for path, content in read_blobs(clone, blobs):
            (folder / re.sub(r"[^\w.-]+", "_", path)).write_bytes(content)
            count += 1
        print(f"{source.name}: {count} of {len(blobs)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
