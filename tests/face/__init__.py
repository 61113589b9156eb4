"""Tests of `face`."""
