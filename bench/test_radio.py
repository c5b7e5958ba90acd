"""Radio: how long the margins of a flight, a raster of them and the search for a relay take over mountains,
and how near the best place of all the relay comes."""

import numpy as np
import shapely

from plans.frames import GeoPoint, LocalFrame
from plans.radio import Antenna, find_link, pair_margins_db
from plans.radio_area import margin_grid
from plans.radio_paths import RadioPath, connected_share, path_margins
from plans.radio_relay import best_relay
from plans.terrain import Terrain

FRAME = LocalFrame(30.0, 104.0)
LINK = find_link("radio57k-433")
WORLDS = 4


def _mountains(seed):
    """10.2 x 10.2 km at 30 m, smooth random relief of 150 m (standard deviation)."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 2 * np.pi, 340)
    heights = sum(
        rng.normal() * np.sin(i * axis[:, None] + j * axis[None] + rng.uniform(0, 6)) / (i + j)
        for i in range(1, 9)
        for j in range(1, 9)
    )
    return Terrain(FRAME, -5100.0, 5100.0, 30.0, 1500 + 150 * heights / np.std(heights), "mountains")


def _survey(terrain):
    """500 points on ten lanes 80 m above ground."""
    east, north = np.meshgrid(np.linspace(-1500, 3500, 50), np.linspace(-1000, 2000, 10))
    east[1::2] = east[1::2, ::-1]
    points = np.column_stack([east.ravel(), north.ravel(), terrain.at(east, north).ravel() + 80.0])
    return RadioPath(0, points, np.full(len(points), 10.0))


def _station():
    lat, lon = FRAME.to_geo(-3000.0, -3000.0)
    return Antenna(GeoPoint(float(lat), float(lon)), 2.0)


def test_margins_of_a_flight_and_of_the_land(benchmark, tell):
    terrain = _mountains(0)
    path = _survey(terrain)
    benchmark.pedantic(path_margins, args=([path], terrain, _station(), LINK), rounds=5, warmup_rounds=1)
    tell(f"radio: margins at 500 points, median {1000 * benchmark.stats.stats.median:.0f} ms")


def test_a_raster_of_margins(benchmark, tell):
    terrain, area = _mountains(0), shapely.box(-5000, -5000, 5000, 5000)
    work = (terrain, _station(), 80.0, LINK, area)
    grid = benchmark.pedantic(margin_grid, args=work, rounds=5, warmup_rounds=1)
    tell(f"radio: margins of {grid.margin_db.size} cells, median {benchmark.stats.stats.median:.2f} s")


def test_the_search_for_a_relay(benchmark, tell):
    worlds = [(_mountains(seed), height) for seed in range(WORLDS) for height in (5.0, 100.0)]
    flights = [_survey(terrain) for terrain, _ in worlds]
    proposals = []

    def search():
        at = len(proposals)
        terrain, height = worlds[at]
        proposals.append(best_relay([flights[at]], terrain, _station(), LINK, height))

    benchmark.pedantic(search, rounds=len(worlds))
    gains, gaps = [], []
    for (terrain, height), path, found in zip(worlds, flights, proposals, strict=True):
        before, best = _best_of_all(path, terrain, height)
        gains.append((found.share_after if found else before) - before)
        gaps.append(best - (found.share_after if found else before))
    stats = benchmark.stats.stats
    tell(
        f"radio: relay for 500 points, median {stats.median:.2f} s, longest {stats.max:.2f} s; share with a "
        f"link {np.mean(gains):+.1%}, best on a 100 m grid {np.mean(gaps):+.1%}, {max(gaps):+.1%} at most"
    )
    assert max(gaps) < 0.05
    assert stats.max < 2.0


def _best_of_all(path, terrain, height):
    """(share without a relay, best share with one on a grid of 100 m within the search's circle)."""
    (margin,) = path_margins([path], terrain, _station(), LINK)
    lost = margin < 0
    base = _station().at_m(terrain)
    reach = np.hypot(*(path.points_m[lost][:, :2] - base[:2]).T).max()
    east, north = (axis.ravel() for axis in np.meshgrid(*[np.arange(-5000, 5000, 100.0)] * 2))
    near = np.hypot(east - base[0], north - base[1]) < reach
    relays = np.column_stack([east, north, terrain.at(east, north) + height])[near]
    own = pair_margins_db(terrain, base[None], relays, LINK)
    best = before = connected_share([path], [margin])
    for relay, hop in zip(relays[own >= 0], own[own >= 0], strict=True):
        over = np.minimum(hop, pair_margins_db(terrain, relay[None], path.points_m[lost], LINK, 60.0))
        filled = margin.copy()
        filled[lost] = np.fmax(margin[lost], over)
        best = max(best, connected_share([path], [filled]))
    return before, best
