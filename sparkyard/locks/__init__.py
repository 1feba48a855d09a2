"""What exactly goes into the images: which Python packages, jars and Debian packages?"""
