"""Floor 1: what a message and a label are, how text is cleaned, readers, writers, corpora."""
