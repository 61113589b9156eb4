"""The tests, in folders as the code that they test."""
