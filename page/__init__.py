"""The page in the browser, over the same calls as the command line."""
