"""What do both collectors read in an image?

Modules of this package and of the collectors run inside images, by whatever Python is there:
standard library only, Python 3.9 or newer. `sparkyard.facts.joined` sends them in.
"""
