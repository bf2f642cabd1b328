"""Decodes image files safely, and removes their metadata."""
