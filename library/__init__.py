"""Remembers the faces of a photo library, so that a person's own eyes are found in their other photos."""
