"""Present an audit: as JSON for scripts, as one HTML file for people, and as a few lines in the terminal."""
