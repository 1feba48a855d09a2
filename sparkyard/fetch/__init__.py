"""How does what the locks name reach this machine? Fetched once, and kept by its sha256."""
