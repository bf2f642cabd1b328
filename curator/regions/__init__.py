"""Locates the object and its surroundings in each image, and describes both with visual words."""
