"""Trains the network that tells whether a mouth is at rest (`face/mouth_look.py`)."""
