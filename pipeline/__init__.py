"""Floor 3: what happens to many messages: score in bulk, rank by policy."""
