"""Which images are alike: vectors, hashes, altered copies, duplicates, clusters."""
