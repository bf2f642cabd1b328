"""From the bytes of a file to pixels, safely; and the metadata that a file may lose."""
