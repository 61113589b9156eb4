"""The program without its command line: find, plan, paint, check, report, for one photo or many."""
