"""The command line: one short file per command. Nothing heavy is imported before a command runs."""
