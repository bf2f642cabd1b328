"""What was computed for images, kept on disk under the content it was computed from."""
