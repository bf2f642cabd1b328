"""Engines, which run the embedding, one file per way of running it."""
