"""Decides which images to add, to leave out, or to put into which split."""
