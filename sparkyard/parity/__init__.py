"""Do the driver and its executors agree: in their images, and where they run?"""
