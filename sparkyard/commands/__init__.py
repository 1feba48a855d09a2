"""One module a command: its options, and the one thing that it does."""
