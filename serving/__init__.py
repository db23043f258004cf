"""Floor 4: the doors, of which the command line is the first."""
