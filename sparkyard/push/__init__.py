"""What is sent to a registry, under which tags, in which order?"""
