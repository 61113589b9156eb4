"""What is wanted counts, for one face alone for that face and no other; what cannot be is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from edit.options import DiffusionOptions, EyeOptions, FaceChoice, Options, ReferenceOptions, SmileOptions, Wish
from edit.plan import EditPlan
from face.analysis import FaceAnalysis
from face.types import EYES, Face, Feature
from photo.errors import BadOption
from photo.types import Photo, Pixels
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo, plan_edits
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto


def plan_for(pixels: Pixels, faces: Sequence[Face], options: Options) -> EditPlan:
    return plan_edits([FaceAnalysis(pixels, face) for face in faces], options)


def wanted(plan: EditPlan, number: int) -> set[Feature]:
    return {edit.feature for edit in plan.edits if edit.face.number == number}


def test_a_face_can_be_left_alone_for_itself(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    faces = faces_of(pixels)
    usual = plan_for(pixels, faces, Options())
    alone = plan_for(pixels, faces, Options(choices={1: FaceChoice(eyes=Wish.NEVER)}))
    assert wanted(usual, 1) and not wanted(alone, 1)
    assert "switched off" in next(explain(skip.cause) for skip in alone.skips if skip.face.number == 1)
    for number in range(2, 6):
        assert wanted(alone, number) == wanted(usual, number)


def test_amounts_are_those_of_the_face(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    options = Options(
        smile=SmileOptions(strength=0.4), choices={3: FaceChoice(smile_strength=0.9), 1: FaceChoice(eye_opening=0.2)}
    )
    plan = plan_for(pixels, faces_of(pixels), options)
    amounts = {(edit.face.number, edit.feature): edit.amount for edit in plan.edits}
    assert amounts[3, Feature.MOUTH] == 0.9
    assert amounts[5, Feature.MOUTH] == 0.4
    assert amounts[1, Feature.LEFT_EYE] == 0.2
    assert amounts[4, Feature.LEFT_EYE] == 0.5


def test_off_for_the_whole_photo_a_face_can_still_ask(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    plan = plan_for(
        pixels, faces_of(pixels), Options(smile=SmileOptions(Wish.NEVER), choices={3: FaceChoice(smile=Wish.ALWAYS)})
    )
    assert wanted(plan, 3) == {Feature.MOUTH}
    assert not wanted(plan, 5)


def test_asking_does_not_open_eyes_that_are_wide_open(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    plan = plan_for(pixels, faces_of(pixels), Options(choices={2: FaceChoice(eyes=Wish.ALWAYS, smile=Wish.ALWAYS)}))
    reasons = {skip.feature: explain(skip.cause) for skip in plan.skips if skip.face.number == 2}
    assert reasons[Feature.LEFT_EYE] == "open already" and reasons[Feature.MOUTH] == "already smiling"


@pytest.mark.parametrize("for_one_face", [False, True])
def test_only_always_opens_eyes_that_are_not_surely_closed(
    sample: LoadPhoto, faces_of: FindFaces, for_one_face: bool
) -> None:
    pixels = sample("image_4.jpg")
    awake = faces_of(pixels)[1]
    narrow = replace(awake, blendshapes={**awake.blendshapes, "eyeBlinkLeft": 0.8, "eyeBlinkRight": 0.8})

    def opened(wish: Wish) -> set[Feature]:
        asked = Options(choices={2: FaceChoice(wish)}) if for_one_face else Options(eyes=EyeOptions(wish), faces=(2,))
        return wanted(plan_for(pixels, (narrow,), asked), 2)

    assert opened(Wish.ALWAYS) == set(EYES)
    assert opened(Wish.AUTO) == opened(Wish.NEVER) == set()


@pytest.mark.parametrize("for_one_face", [False, True])
def test_only_always_broadens_a_faint_smile(sample: LoadPhoto, faces_of: FindFaces, for_one_face: bool) -> None:
    pixels = sample("image_4.jpg")
    awake = faces_of(pixels)[1]
    faint = replace(awake, blendshapes={**awake.blendshapes, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5})

    def made(wish: Wish) -> set[Feature]:
        asked = Options(choices={2: FaceChoice(smile=wish)}) if for_one_face else Options(smile=SmileOptions(wish))
        return wanted(plan_for(pixels, (faint,), asked), 2)

    assert made(Wish.ALWAYS) == {Feature.MOUTH}
    assert made(Wish.AUTO) == made(Wish.NEVER) == set()


def test_a_choice_is_filled_up_with_that_of_the_whole_photo() -> None:
    options = Options(
        eyes=EyeOptions(Wish.NEVER, 0.2),
        smile=SmileOptions(Wish.ALWAYS, 0.7),
        choices={2: FaceChoice(Wish.AUTO, smile_strength=0.0)},
    )
    assert options.choose_for(1) == FaceChoice(Wish.NEVER, Wish.ALWAYS, 0.2, 0.7)
    assert options.choose_for(2) == FaceChoice(Wish.AUTO, Wish.ALWAYS, 0.2, 0.0)


def test_faces_found_before_are_not_searched_again(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    only = [FaceAnalysis(pixels, face) for face in faces_of(pixels)[2:3]]
    result = fix_photo(Photo(pixels), Options(engine="draft"), DraftEngine(), analyses=only)
    assert [face.number for face in result.report.faces] == [3]
    assert {change.face.number for change in result.report.changes} == {3}


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_amounts_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(BadOption, match="between 0 and 1"):
        FaceChoice(eye_opening=bad)
    with pytest.raises(BadOption, match="between 0 and 1"):
        FaceChoice(smile_strength=bad)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Options(engine="magic"), "--engine must be one of auto, draft, stable-diffusion, not 'magic'."),
        (lambda: Options(min_resemblance=1.5), "--min_resemblance must lie between 0 and 1, not 1.5."),
        (lambda: Options(faces=()), "--faces takes the numbers of faces, counted from 1, such as 1,3."),
        (lambda: Options(faces=(2, 0)), "--faces takes the numbers of faces, counted from 1, such as 1,3."),
        (lambda: EyeOptions("always"), "--eyes must be one of auto, always, never, not 'always'."),  # type: ignore[arg-type]
        (lambda: SmileOptions(False), "--smile must be one of auto, always, never, not False."),  # type: ignore[arg-type]
        (lambda: EyeOptions(opening=float("nan")), "--eye_opening must lie between 0 and 1, not nan."),
        (
            lambda: EyeOptions(color="pink"),
            "--eye_color must be brown, hazel, green, blue, grey or a colour like #6b4a2f, not 'pink'.",
        ),
        (lambda: SmileOptions(strength=-1), "--smile_strength must lie between 0 and 1, not -1."),
        (lambda: ReferenceOptions(-1), "--reference_face takes the number of a face, counted from 1."),
        (lambda: DiffusionOptions(model=" "), "--model names no model."),
        (
            lambda: DiffusionOptions(device="gpu"),
            "--device must be auto, cpu, mps, cuda or a card such as cuda:1, not 'gpu'.",
        ),
        (lambda: DiffusionOptions(steps=0), "--steps must lie between 1 and 1000, not 0."),
        (lambda: DiffusionOptions(guidance=50.5), "--guidance must lie between 0 and 50, not 50.5."),
        (lambda: DiffusionOptions(retries=21), "--retries must lie between 0 and 20, not 21."),
        (
            lambda: DiffusionOptions(strength=0.0),
            "--strength must be above 0; for no diffusion at all use --engine draft.",
        ),
        (lambda: DiffusionOptions(strength=2.0), "--strength must lie between 0 and 1, not 2."),
        (lambda: DiffusionOptions(tile_scheme="ring"), "--tile_scheme must be one of face, grid, not 'ring'."),
        (lambda: DiffusionOptions(tile_size=100), "--tile_size must be a multiple of 8 between 64 and 2048, not 100."),
        (lambda: DiffusionOptions(overlap=1025), "--overlap must lie between 0 and half of --tile_size, not 1025."),
        (
            lambda: DiffusionOptions(tile_size=512, overlap=257),
            "--overlap must lie between 0 and half of --tile_size, not 257.",
        ),
        (lambda: FaceChoice(eye_opening=3), "eye_opening of a face must lie between 0 and 1, not 3."),
        (lambda: FaceChoice(True), "eyes of a face must be one of auto, always, never, not True."),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_gets_its_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(BadOption) as refused:
        make()
    assert str(refused.value) == sentence


def test_options_can_tell_apart_and_be_keys() -> None:
    one = Options(eyes=EyeOptions(opening=0.4))
    assert one == Options(eyes=EyeOptions(opening=0.4)) != Options()
    assert hash(one) == hash(Options(eyes=EyeOptions(opening=0.4)))
