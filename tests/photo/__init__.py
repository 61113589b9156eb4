"""Tests of `photo`."""
