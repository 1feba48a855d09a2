"""What is an image made of, as SPDX and as CycloneDX?"""
