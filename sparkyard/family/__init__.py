"""Which images are there, and what do they stand on?"""
