"""The edge to the disk: find images, decode them safely, keep what was computed of them."""
