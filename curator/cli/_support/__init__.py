"""Code that several commands share: flags, progress, completion."""
