"""Which images to add, leave out or put into which split."""
