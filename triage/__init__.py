"""Sorts a day of photos without changing any: which are fine, which can be fixed and from where, which cannot."""
