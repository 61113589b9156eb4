"""Takes eyes, smiles and whole faces from real pixels: the other eye, another photo of the same person."""
