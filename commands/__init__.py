"""What each command of the command line does: a module for each, between the parser and the rooms that do the work."""
