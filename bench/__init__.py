"""How quick and how small is what is built, as ratios of one run?"""
