"""Errors of imagery that a person can act on.

    MissionError (plans.errors)
    └── ImageryError
        ├── PhotoError        a photo that cannot be read, or carries nothing to place it by
        ├── MosaicError       photos of which no mosaic can be made
        ├── ControlError      ground control that cannot be read or belongs elsewhere
        ├── RasterError       a raster that cannot be read or written
        ├── DamageError       damage mapping that cannot go on: inputs that do not fit together
        └── DeliveryError     an output format that cannot be written

Each message is one line: what is wrong, with what (the file's name), and what to do.
"""

from __future__ import annotations

from plans.errors import MissionError


class ImageryError(MissionError):
    """Base of the faults that imagery/ raises."""


class PhotoError(ImageryError):
    """A photo that cannot be read, or that carries nothing to place it by."""


class MosaicError(ImageryError):
    """Photos of which no mosaic can be made."""


class ControlError(ImageryError):
    """Ground control that cannot be read, or that belongs to another place."""


class RasterError(ImageryError):
    """A raster that cannot be read or written."""


class DamageError(ImageryError):
    """Inputs of the damage mapping that are missing or do not fit together."""


class DeliveryError(ImageryError):
    """A product that cannot be written."""
