"""Floor 4: the doors; for now the command line."""
