"""What is released, who may release now, and is it what its signature says?"""
