"""Lanes are found from places and clocks."""

import numpy as np

from imagery.lanes import NO_LANE, lanes_of


def test_lanes_to_and_fro_are_numbered_in_the_order_flown():
    along = np.arange(6) * 20.0
    rows = [np.stack([x, np.full(6, 50.0 * n)], axis=1) for n, x in enumerate((along, along[::-1], along))]
    turn = np.array([[115.0, 25.0]])
    places = np.concatenate([rows[0], turn, rows[1], rows[2]])
    places = places + np.random.default_rng(1).normal(0, 1.0, places.shape)
    lanes = lanes_of(places, [None] * len(places), np.zeros(len(places), int))
    assert lanes.tolist() == [1] * 6 + [NO_LANE] + [2] * 6 + [3] * 6


def test_clocks_order_photos_and_flights_go_on_counting():
    places = np.stack([np.arange(8) * 10.0, np.zeros(8)], axis=1)
    order = [3, 1, 0, 2, 7, 4, 6, 5]
    lanes = lanes_of(places[order], [float(i) for i in order], np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert lanes.tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
