"""Scoring inside the service: one gate, one thread that computes, one model that can be swapped."""
