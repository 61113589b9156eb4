"""The program without its command line: finds, plans, paints, checks and reports, for one photo or many."""
