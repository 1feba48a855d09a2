"""How quick is Spark on a Kubernetes, and what do its settings bring?"""
