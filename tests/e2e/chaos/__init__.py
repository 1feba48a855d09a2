"""What becomes of releases that are killed at any moment?"""
