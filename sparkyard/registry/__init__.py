"""What does a registry hold, and how does one talk with it?"""
