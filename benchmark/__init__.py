"""Measurements and makers of sample files, each run as `python -m benchmark.NAME`."""
