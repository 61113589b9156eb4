"""Flags that would do nothing are refused, and no others."""

from __future__ import annotations

import re

import pytest

from edit.command_line import build_parser
from edit.effects import check_effects, list_diffusion_flags
from photo.errors import BadOption


def check(arguments: str) -> None:
    parsed, given = build_parser().read(arguments.split())
    check_effects(given, vars(parsed))


@pytest.mark.parametrize(
    "arguments",
    [
        "a.jpg",
        "a.jpg --engine draft --offline --seed 3 --faces 1",
        "a.jpg --steps 25 --strength 0.5",
        "a.jpg --engine stable-diffusion --steps 9 --lora x --model y --device cpu",
        "a.jpg --reference_path b.jpg --smile_from_reference --reference_face 2",
        "--burst in --smile_from_reference --reference_face 1 --contact_sheet who.png",
        "a.jpg --no-eyes --smile_strength 0.4",
        "a.jpg --no-smile --no-eyes",
        "a.jpg --analyze --masks_dir m --eye_opening 1",
        "--gradio --port 7861 --smile_strength 0.4 --engine draft",
        "--download_model --model x --engine draft",
        "a.jpg --no-eyes --eyes --eye_color blue",
        "a.jpg --library faces.sqlite --no-smile",
        "a.jpg --no-library --analyze",
        "--index in --library faces.sqlite --quiet",
        "--forget in out --library faces.sqlite --debug",
        "--library_info",
        "--people",
        "--doctor --engine draft --quiet",
        "--doctor --model x --device cpu --offline",
        "--people people.html --library faces.sqlite",
        "--name_person 3 Ada --library faces.sqlite",
        "--not_person 3 a.jpg b.jpg",
        "a.jpg --person Ada --library faces.sqlite",
        "a.jpg --person Ada --no-eyes --library faces.sqlite",
        "in --person 3 --analyze",
        "in --triage --sidecars --workers 2 --no-smile --overwrite --recursive --faces 1",
    ],
)
def test_flags_that_do_something_are_taken(arguments: str) -> None:
    check(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("a.jpg --smile_from_reference", "--smile_from_reference has no effect without other photos"),
        ("a.jpg --reference_face 1", "--reference_face has no effect without other photos"),
        ("a.jpg --engine draft --model x", "--model has no effect with --engine draft"),
        # The default value, and yet it was asked for.
        ("a.jpg --engine draft --retries 2", "--retries has no effect with --engine draft"),
        ("a.jpg --engine draft --low_vram", "--low_vram has no effect with --engine draft"),
        ("a.jpg --analyze --steps 5", "--steps has no effect with --analyze"),
        ("a.jpg --no-eyes --eye_opening 0.5", "--eye_opening has no effect where no eyes are opened"),
        ("a.jpg --smile never --smile_strength 0.5", "--smile_strength has no effect where nobody"),
        ("a.jpg --host localhost", "--host has an effect with --gradio alone"),
        ("--gradio --report x.json", "--report does not go with --gradio"),
        ("a.jpg --sidecars", "--sidecars has an effect with --triage alone"),
        ("in --triage --quality 90", "--quality has no effect with --triage"),
        ("in --triage --no-mark", "--no-mark has no effect with --triage"),
        ("in --triage --steps 3", "--steps has no effect with --triage"),
        ("--burst in --triage", "--triage does not go with --burst"),
        ("--burst in --recursive", "--recursive does not go with --burst"),
        ("--burst in --copy_unchanged", "--copy_unchanged does not go with --burst"),
        ("a.jpg --contact_sheet x.png", "it goes with --burst"),
        ("a.jpg --library x --no-library", "--library has no effect with --no-library"),
        ("a.jpg --library x --no-eyes", "--library has no effect where no eyes are opened"),
        ("a.jpg --no-library --eyes never", "--no-library has no effect where no eyes are opened"),
        ("a.jpg --library x --reference_path b.jpg", "--library has no effect with --reference_path"),
        ("a.jpg --library x --smile_from_reference", "--smile_from_reference has no effect without other photos"),
        ("--burst in --layers x.psd", "--layers does not go with --burst"),
        ("--burst in --sign cert.pem key.pem", "--sign does not go with --burst"),
        ("--burst in --no-library", "--no-library does not go with --burst"),
        ("--gradio --library x", "--library does not go with --gradio"),
        ("--gradio --index in", "--index does not go with --gradio"),
        ("--index in --forget out", "--forget has no effect with --index"),
        ("--index in --library_info", "--library_info has no effect with --index"),
        ("--forget in --report x.json", "--report has no effect with --forget, which fixes no photo"),
        ("--index in --no-library", "--no-library has no effect with --index"),
        ("--library_info --seed 3", "--seed has no effect with --library_info"),
        ("--people --overwrite", "--overwrite has no effect with --people, which fixes no photo"),
        ("--people --name_person 3 Ada", "--name_person has no effect with --people"),
        ("--not_person 3 a.jpg --person Ada", "--person has no effect with --not_person"),
        ("a.jpg --person Ada --faces 2", "--faces does not go with --person"),
        ("a.jpg --person Ada --no-library", "--person needs the library"),
        ("a.jpg --person Ada --reference_path b.jpg", "--person has no effect with --reference_path"),
        ("--burst in --person Ada", "--person does not go with --burst"),
        ("--gradio --people", "--people does not go with --gradio"),
        ("--doctor --faces 1", "--faces has no effect with --doctor, which fixes no photo"),
        ("--doctor -o x.png", "--output_path has no effect with --doctor"),
    ],
)
def test_a_flag_without_effect_gets_one_sentence(arguments: str, words: str) -> None:
    with pytest.raises(BadOption, match=re.escape(words)) as caught:
        check(arguments)
    assert str(caught.value).count(".") == 1 and str(caught.value).endswith(".")


def test_what_was_given_is_told_from_what_is_a_default() -> None:
    parsed, given = build_parser().read(["a.jpg", "b.jpg", "--no-smile", "-o", "out", "--seed", "0", "c.jpg"])
    assert [str(path) for path in parsed.photos] == ["a.jpg", "b.jpg", "c.jpg"]
    assert given - {"photos"} == {"smile", "output_path", "seed"}
    assert list_diffusion_flags({"steps", "offline", "seed"}) == ["steps"]
