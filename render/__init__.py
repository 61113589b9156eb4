"""Draws open eyes and smiles from nothing but the photo itself."""
