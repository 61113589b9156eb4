"""What several tests build on: faces, photos, tiny models."""
