"""Who runs the embedding: one file per way of running it."""
