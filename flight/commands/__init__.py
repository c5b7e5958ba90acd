"""Commands to vehicles, each with a typed result."""
