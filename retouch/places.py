"""Where a run reads and writes: what the user named, and the place of every result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from photo.errors import BadOption, UnwritablePhoto
from photo.files import FORMATS
from photo.raw import is_raw
from photo.writing import describe_error
from retouch.listing import Listing, check_apart, tell_apart

OUTPUT_FOLDER = Path("data/outputs")
"""Where results go when the user names no place; it is taken from the current folder."""

# Photos from the one folder become results in the other under names of their own, as they always did.
_SAMPLES = ("data", "inputs"), ("data", "outputs")


@dataclass(frozen=True)
class JobFiles:
    """What a run reads and where it writes, as the user named it.

    `sources` are photos and folders of them, with `recursive` of those in them, too; with a `burst`, a folder, the
    photo to keep. `are_bursts` says that bursts are to be found among the sources. `references` are photos and folders
    of photos. `output` names the result, or the folder of results, which it is in any case with `is_folder`; `format`
    is the ending of results that are not named, without its dot, None for that of the photo. `masks_dir` takes the
    masks, too. `overwrite` allows results to replace photos that are read, and files of others; `copy_unchanged` asks
    for a copy of photos that needed nothing. `layers` takes the edits of a single photo as layers. `sign` are the files
    of a certificate chain and its key, to sign results with. `library` is the file of a photo library, None for that of
    the user; with `no_library` no other photos are looked for, neither in it nor beside a photo. With `references`, or
    bursts, none are either way. `person` is the name or number of the only person of the library to edit. With
    `watch` the sources are folders that need not hold any photo yet.
    """

    sources: tuple[Path, ...] = ()
    burst: Path | None = None
    are_bursts: bool = False
    references: tuple[Path, ...] = ()
    output: Path | None = None
    is_folder: bool = False
    format: str | None = None
    recursive: bool = False
    masks_dir: Path | None = None
    overwrite: bool = False
    copy_unchanged: bool = False
    layers: Path | None = None
    sign: tuple[Path, Path] | None = None
    library: Path | None = None
    no_library: bool = False
    person: str | None = None
    watch: bool = False

    @property
    def are_many(self) -> bool:
        """Whether the sources are more than a single photo, so that results need a folder."""
        return len(self.sources) > 1 or self.are_bursts or any(source.is_dir() for source in self.sources)


@dataclass(frozen=True)
class PhotoFiles:
    """One photo of a run: where it lies, where its result goes, and the folder of its masks, if they are wanted.

    `is_copied` says that the result is also written where nothing was changed.
    """

    source: Path
    target: Path
    masks_dir: Path | None = None
    is_copied: bool = True


@dataclass(frozen=True)
class ResultPlaces:
    """The places of the results of a run; `is_analysis` says that they are pictures of the faces, with numbers."""

    files: JobFiles
    is_analysis: bool = False

    @property
    def folder(self) -> Path:
        """The folder that results go to where they are not named one by one."""
        return self.files.output or OUTPUT_FOLDER

    def plan(self, listing: Listing) -> list[PhotoFiles]:
        """Return every photo of a run with the place of its result; no two have one place.

        Raises BadOption, UnwritablePhoto.
        """
        return self._plan_many(listing) if self.files.are_many else [self._plan_one(listing.paths[0])]

    def _plan_one(self, source: Path) -> PhotoFiles:
        """The result of a single photo: the path that was named, or a name made from the photo's."""
        output = self.files.output
        try:
            is_folder = output is None or self.files.is_folder or output.is_dir()
        except OSError as error:
            raise UnwritablePhoto(f"{output} cannot be written: {describe_error(error)}; name another file.") from error
        if output is not None and not is_folder:
            if self.files.format is not None:
                raise BadOption(f"--format has no effect: the ending of {output} names the format.")
            return PhotoFiles(source, output, self.files.masks_dir)
        target = self.folder / self._name_result(source)
        return PhotoFiles(source, target, self.files.masks_dir, self._is_copied(source))

    def _plan_many(self, listing: Listing) -> list[PhotoFiles]:
        """The results of many photos, each in its place below the folder of results."""
        output, is_folder = self.folder, self.files.is_folder
        if os.path.lexists(output) and not output.is_dir():
            raise UnwritablePhoto(f"{output} is a file; --output_path must be a folder for more than one photo.")
        if not output.is_dir() and not is_folder and output.suffix.lower() in FORMATS:
            raise UnwritablePhoto(
                f"{output} names one photo; --output_path must be a folder for more than one: write {output}{os.sep} "
                "if it is to be one."
            )
        sources, inputs = listing.paths, listing.inputs
        names = [photo.place.parent / self._name_result(photo.path) for photo in inputs]
        masks: list[Path | None] = [None] * len(inputs)
        if self.files.masks_dir is not None:
            folders = tell_apart([photo.place for photo in inputs], [Path()] * len(inputs))
            masks = [self.files.masks_dir / folder for folder in folders]
        planned = [
            PhotoFiles(source, output / name, masks_dir, self._is_copied(source))
            for source, name, masks_dir in zip(sources, tell_apart(names, sources), masks, strict=True)
        ]
        check_apart([files.target for files in planned], [folder for folder in masks if folder is not None])
        return planned

    def _is_from_samples(self, source: Path) -> bool:
        """Whether a photo lies in a folder data/inputs, and its result goes into a folder data/outputs."""
        folders = source.absolute().parent, self.folder.absolute()
        return tuple(folder.parts[-2:] for folder in folders) == _SAMPLES

    def _is_copied(self, source: Path) -> bool:
        return self.is_analysis or self.files.copy_unchanged or self._is_from_samples(source)

    def _name_result(self, source: Path) -> str:
        if self.is_analysis:
            return f"analysis_{source.stem}.png"
        is_sample = self._is_from_samples(source)
        ending = source.suffix if source.suffix.lower() in FORMATS and not is_sample else ".png"
        if is_raw(source) and not is_sample:
            ending = ".tif"  # it holds 16 bits, as the developed photo does
        if self.files.format is not None:
            ending = f".{self.files.format}"
        return f"final_{source.stem}{ending}" if is_sample else f"{source.stem}{ending}"


def is_same(one: Path, other: Path) -> bool:
    """Return whether two paths name one file that exists."""
    return one.exists() and other.exists() and one.samefile(other)
