"""What leaves the program: rasters, vectors, tiles, tables, the map sheet and the catalogue of it all."""

from imagery.deliver.exports import FORMATS, export

__all__ = ["FORMATS", "export"]
