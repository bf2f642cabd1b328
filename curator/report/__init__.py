"""What an audit looks like: JSON for scripts, one HTML file for people, a few lines for the terminal."""
