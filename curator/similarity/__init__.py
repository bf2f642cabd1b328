"""Finds images that are alike: vectors, hashes, altered copies, duplicates, clusters."""
