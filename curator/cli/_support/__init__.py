"""What several commands of the command line share: flags, progress, completion."""
