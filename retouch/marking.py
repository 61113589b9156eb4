"""Chooses the source type that an edited photo is marked with, from the sources of its edits."""

from __future__ import annotations

from dataclasses import replace

from edit.options import OutputOptions
from edit.plan import Change, Edit, FixResult, Rendered, Report
from edit.reasons import Reason
from face.types import EYES
from photo.credentials import EditedRegion, Signature
from photo.mark import SourceType
from photo.saving import Saving
from retouch.engines import DraftEngine


def choose_source_type(report: Report, *, has_other_faces: bool = False) -> SourceType | None:
    """Return the source type of a photo after the edits of `report`: of all kept edits the one that says most.

    None if nothing was changed. `has_other_faces` says that whole faces come from other photos, as in a burst.
    """
    chosen = SourceType.CAPTURE if has_other_faces else None
    for change in report.changes:
        if change.kept:
            chosen = _choose_for(change, report).or_more(chosen)
    return chosen


def choose_saving(options: OutputOptions, report: Report, *, has_other_faces: bool = False) -> Saving:
    """Return how the photo of a report is saved as the user chose: with the mark of its edits, unless it has none.

    Where nothing was edited the mark names the program alone; a copy of the photo's file does not get even that.
    """
    source_type = choose_source_type(report, has_other_faces=has_other_faces)
    return Saving(options.quality, not options.no_mark, None if options.no_mark else source_type)


def name_edit(edit: Edit) -> str:
    """Return what an edit is called in files: its face and its feature, such as "Face 1: right eye"."""
    return f"Face {edit.face.number}: {edit.feature.value}"


def name_regions(signature: Signature, result: FixResult) -> Signature:
    """Return the signature with the edits of a result, as they are named in Content Credentials."""
    kinds = {
        (change.face.number, change.feature): _choose_for(change, result.report)
        for change in result.report.changes
        if change.kept
    }
    regions = [
        EditedRegion(name_edit(edit), edit.region.box, kinds[edit.face.number, edit.feature])
        for edit in result.plan.edits
    ]
    return replace(signature, regions=tuple(regions))


def _choose_for(change: Change, report: Report) -> SourceType:
    is_draft = change.note is not None and change.note.reason is Reason.DRAFT_KEPT
    if report.engine != DraftEngine.name and not is_draft:
        return SourceType.TRAINED
    if not isinstance(change.source, Rendered):
        return SourceType.CAPTURE
    return SourceType.TRAINED if report.refines_eyes and change.feature in EYES else SourceType.SYNTHETIC
