"""The types that all parts of the program share: what the user wants, what will be edited, and the results."""
