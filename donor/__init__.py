"""Transfers eyes, smiles and whole faces from real pixels: the other eye, or another photo of the same person."""
