"""Which Kubernetes is there, and what may one do on it?"""
