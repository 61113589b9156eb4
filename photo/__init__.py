"""A picture and its file: pixels, samples, metadata, geometry; nothing here knows what a face is."""
