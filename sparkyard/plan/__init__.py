"""What would a build make anew, from what, and why?"""
