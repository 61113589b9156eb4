"""Tests of `donor`."""
