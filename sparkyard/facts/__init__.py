"""What is in an image? Collected by looking inside, kept by digest."""
