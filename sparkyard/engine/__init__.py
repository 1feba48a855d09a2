"""Which container engine builds the family, and how does a machine get one?"""
