"""How does a plan become images, and would it give the same ones again?"""
