"""What is written down of a release, how does it read, and what changed since another?"""
