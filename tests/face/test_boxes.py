"""Boxes overlap as they should, and of those of one face one stays."""

from __future__ import annotations

import pytest

from face.boxes import Candidate, fraction_inside, overlap_ratio, suppress


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    # The second shares a third of both with the first, the third a little more; the last lies half outside the photo.
    sure, beside, too_near = (Candidate((x, 0.5, x + 40, 40.5), c) for x, c in ((0, 0.9), (20.0, 0.7), (18.0, 0.8)))
    outside = Candidate((-120.0, 0.0, -80.0, 40.0), 0.95)
    assert suppress([beside, sure, too_near, outside]) == [outside, sure, beside]
    assert suppress([]) == []


def test_how_two_boxes_lie_to_each_other() -> None:
    large, small, apart = (0.0, 0.0, 40.0, 20.0), (30.0, 10.0, 50.0, 30.0), (60.0, 0.0, 80.0, 20.0)
    assert overlap_ratio(large, small) == pytest.approx(100 / 1100)
    assert fraction_inside(small, large) == pytest.approx(0.25)
    assert fraction_inside(large, small) == pytest.approx(0.125)
    assert overlap_ratio(large, apart) == fraction_inside(apart, large) == 0


def test_middle_and_longer_side() -> None:
    candidate = Candidate((10.0, -4.0, 40.0, 36.0), 0.5)
    assert (candidate.center, candidate.side) == ((25.0, 16.0), 40.0)
