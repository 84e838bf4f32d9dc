"""The HTTP API: the same objects that the command line prints with --json."""
