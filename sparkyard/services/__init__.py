"""What does this machine run for itself: a registry, an S3 server, the History Server?"""
