"""The linear probe: fits, cross-fits, refits, and what they say about groups, gains and the number of images needed."""
