"""The contract between the parts: what the user wants, what will change, and what came of it."""
