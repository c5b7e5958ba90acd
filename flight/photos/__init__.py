"""Cameras and the photos that they tell of."""
