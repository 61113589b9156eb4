"""Finds, loads and runs Stable Diffusion's networks; only the prompts depend on faces."""
