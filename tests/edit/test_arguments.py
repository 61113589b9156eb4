"""A mistake on the command line gets one plain sentence."""

from __future__ import annotations

import pytest

from edit.arguments import BAD_USAGE
from edit.command_line import build_parser


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--smile_strength abc", "--smile_strength takes a number, not 'abc'"),
        ("--seed x", "--seed takes a whole number, not 'x'"),
        ("--retries 1.5", "--retries takes a whole number, not '1.5'"),
        ("--engine foo", "--engine takes one of 'auto', 'draft', 'stable-diffusion', not 'foo'"),
        ("--seed", "--seed needs a value"),
        ("-o", "--output_path needs a value"),
        ("--sign key", "--sign needs 2 values"),
        ("--index", "--index needs one value or more"),
        ("--faces a", "--faces takes numbers of faces such as 1,3 or 1-3, not 'a'"),
        ("--sed 3", "there is no flag --sed; did you mean --seed?"),
    ],
)
def test_a_wrong_value_is_said_in_plain_words(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().read(["a.jpg", *arguments.split()])
    assert ended.value.code == BAD_USAGE
    assert capsys.readouterr().err == f"error: {sentence} (--help lists every option)\n"
