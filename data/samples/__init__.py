"""Posts written for the project, with labels: for demos, tests and release checks."""
