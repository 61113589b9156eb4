"""Tests of `diffusion`."""
