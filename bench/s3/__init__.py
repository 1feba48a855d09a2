"""Which S3 server do the bench and the tests write to?"""
