"""Reads and writes files: finds images, decodes them safely, and stores what was computed for them."""
