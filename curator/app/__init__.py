"""The FiftyOne App, on this machine only."""
