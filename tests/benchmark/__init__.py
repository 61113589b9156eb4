"""Tests of `benchmark`."""
