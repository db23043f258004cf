"""Floor 4: from labelled posts to a model that may be promoted."""
