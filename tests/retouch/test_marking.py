"""The mark of an edited photo says what the sources of its edits were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edit.options import OutputOptions
from edit.plan import Change, OtherEye, Rendered, Report, Source
from edit.reasons import Cause, Reason
from face.types import Feature
from photo.mark import SourceType
from photo.saving import Saving
from retouch.marking import choose_saving, choose_source_type
from tests.support.faces import make_donor, make_face


def make_report(engine: str, *sources: Source | None, note: Cause | None = None) -> Report:
    """A report of eyes: without a source the edit was not kept."""
    face = make_face()
    changes = tuple(
        Change(face, Feature.LEFT_EYE, 0.1, 0.3, kept=source is not None, tries=1, note=note, source=source)
        for source in sources
    )
    return Report((face,), changes, (), engine, 0, 0, {})


@pytest.mark.parametrize(
    ("engine", "sources", "kind"),
    [
        ("draft", [Rendered()], SourceType.SYNTHETIC),
        ("draft", [OtherEye()], SourceType.CAPTURE),
        ("draft", [make_donor()], SourceType.CAPTURE),
        ("draft", [make_donor(), Rendered(), None], SourceType.SYNTHETIC),
        ("draft", [None], None),
        ("draft", [], None),
        ("stable-diffusion", [make_donor()], SourceType.TRAINED),
        ("stable-diffusion", [None], None),
    ],
)
def test_the_edit_that_says_most_counts(engine: str, sources: list[Source | None], kind: SourceType | None) -> None:
    assert choose_source_type(make_report(engine, *sources)) is kind


def test_a_draft_that_was_kept_is_no_networks_work() -> None:
    report = make_report("stable-diffusion", Rendered(), note=Cause(Reason.DRAFT_KEPT))
    assert choose_source_type(report) is SourceType.SYNTHETIC


@pytest.mark.parametrize("source", [Rendered(), OtherEye()])
def test_a_network_has_its_part_in_refined_eyes_and_in_nothing_else(source: Source) -> None:
    report = replace(make_report("draft", source), refines_eyes=True)
    is_rendered = isinstance(source, Rendered)
    assert choose_source_type(report) is (SourceType.TRAINED if is_rendered else SourceType.CAPTURE)
    smiles = replace(report, changes=tuple(replace(change, feature=Feature.MOUTH) for change in report.changes))
    assert choose_source_type(smiles) is not SourceType.TRAINED


def test_faces_of_other_photos_are_captures() -> None:
    assert choose_source_type(make_report("draft"), has_other_faces=True) is SourceType.CAPTURE
    assert choose_source_type(make_report("draft", Rendered()), has_other_faces=True) is SourceType.SYNTHETIC


def test_the_file_says_so_unless_it_must_not() -> None:
    edited, unedited = make_report("draft", OtherEye()), make_report("draft", None)
    assert choose_saving(OutputOptions(quality=70), edited) == Saving(70, True, SourceType.CAPTURE)
    assert choose_saving(OutputOptions(no_mark=True), edited) == Saving()
    assert choose_saving(OutputOptions(), unedited) == Saving(is_marked=True)
