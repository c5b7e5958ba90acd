"""The side panels of the five workspaces."""
