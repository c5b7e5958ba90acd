"""What leaves the program: rasters, vectors, tiles, tables and the map sheet."""
