"""Stable Diffusion's networks: finding, loading and running them; nothing here knows what a photo is."""
