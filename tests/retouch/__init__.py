"""Tests of `retouch`."""
