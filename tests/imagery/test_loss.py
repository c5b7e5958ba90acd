"""What outliers cost: some that agree with each other hardly move a block."""

from dataclasses import replace

import numpy as np
import pytest

from imagery.adjust import AdjustRules, adjust_block
from imagery.bundle import Loss, free_points, solve
from imagery.first_guess import first_state
from imagery.priors import lens_groups, priors_of
from tests.imagery.synthetic import CAMERA, made

SEEDS = range(8)
TEN = 10


def with_ten_that_agree(truth, off_px):
    """The tracks, ten neighbours in one photo moved alike: a boat, or a shadow's edge."""
    tracks = truth.tracks
    in_photo = np.flatnonzero(tracks.photo == 4)
    away = np.hypot(*(tracks.xy_px[in_photo] - (3000, 2200)).T)
    xy = tracks.xy_px.copy()
    xy[in_photo[np.argsort(away)[:TEN]]] += off_px * np.array([0.8, 0.6])
    return replace(tracks, xy_px=xy)


def middle(state):
    return state.lenses[0, 1:3]


def solved(block, tracks, loss, start=None):
    rules = AdjustRules()
    groups, lenses = lens_groups(block.photos)
    priors = priors_of(block, lenses, groups, rules)
    start = start or first_state(block, tracks)[0]
    return solve(free_points(tracks, groups, priors, loss), start, replace(rules, iterations=40))


def test_ten_that_agree_move_the_principal_point_less_than_with_a_loss_that_does_not_forgive():
    moved = []
    for seed in SEEDS:
        truth = made(seed, lanes=2, each=4, per_photo=40)
        wrong = with_ten_that_agree(truth, 15.0)
        wary, forgiving = Loss(2.0), Loss(3.0, forgives=True)
        clean = solved(truth.block, truth.tracks, wary)
        pulled = solved(truth.block, wrong, wary)
        let_go = solved(truth.block, wrong, forgiving, start=pulled)
        moved.append([np.linalg.norm(middle(s) - middle(clean)) for s in (pulled, let_go)])
    by_wary, by_forgiving = np.median(moved, axis=0)
    print(f"principal point moved by {by_wary:.1f} px, forgiving {by_forgiving:.1f} px")
    assert by_wary > 3.0  # the test would show nothing otherwise
    assert by_forgiving < 0.5 * by_wary


def test_ten_that_agree_hardly_move_the_principal_point_of_a_whole_adjustment():
    """With Huber's loss to the end they moved it by 3.6 px in the mean, as far as it is unsure in so small a
    block."""
    moved = []
    for seed in SEEDS:
        truth = made(seed, lanes=2, each=4, per_photo=40)
        clean = adjust_block(truth.block, truth.tracks)
        pulled = adjust_block(truth.block, with_ten_that_agree(truth, 7.0))
        moved.append(np.linalg.norm(middle(pulled.state) - middle(clean.state)))
    print(f"moved by {np.mean(moved):.2f} px of {CAMERA.image_width_px}")
    assert np.mean(moved) < 2.6


@pytest.mark.parametrize("loss", [Loss(2.0), Loss(0.75, forgives=True)])
def test_weights_are_what_the_cost_grows_by(loss):
    squared = np.linspace(0, 60, 400)
    step = 1e-6
    slope = (loss.of(squared + step)[0] - loss.of(squared)[0]) / step
    assert slope == pytest.approx(loss.of(squared)[1], abs=1e-4)


def test_near_the_minimum_both_are_least_squares_and_far_off_one_pulls_no_more():
    huber, forgiving = Loss(2.0), Loss(2.0, forgives=True)
    assert huber.of(np.array([0.0, 4.0]))[0] == pytest.approx([0, 4])
    assert forgiving.of(np.array([0.0, 0.01]))[0] == pytest.approx([0, 0.01], rel=0.01)
    pull = [loss.of(np.array([1e4]))[1] * 100 for loss in (huber, forgiving)]
    assert pull[0] == pytest.approx([2.0])
    assert pull[1] < 1e-4


def test_each_observation_may_have_its_own():
    """Marks pull as hard as ever, however little tie points scatter; what cannot be weighs nothing."""
    both = Loss(0.5, forgives=True).before(Loss(2.0), (2, 2))
    cost, weight = both.of(np.array([100.0, np.nan, 100.0, 1.0]))
    assert weight == pytest.approx([0.0, 0.0, 0.2, 1.0], abs=1e-4)
    assert cost[:2] == pytest.approx([0.25, 1e4], rel=0.01)
