"""Stores what was computed for images on the disk, under the content of the images."""
