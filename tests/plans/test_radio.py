"""Radio links: the physics against hand-worked figures and a plain reference, then where links are lost over
a ridge and how a relay brings them back."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from plans.diffraction import diffraction_db, free_space_db, knife_edge_db
from plans.errors import SurveyError, TerrainError
from plans.frames import GeoPoint
from plans.mission import AltitudeFrame, Command, Mission, MissionItem
from plans.radio import LINKS, Antenna, RadioLink, find_link, margins_db, pair_margins_db
from plans.radio_area import margin_grid, radio_shadow
from plans.radio_paths import (
    RadioPath,
    connected_share,
    lost_shares,
    lost_stretches,
    mission_paths,
    path_margins,
    sortie_paths,
)
from plans.radio_relay import best_relay
from plans.survey import SurveySettings, plan_survey
from plans.terrain import Terrain
from tests.plans.conftest import FRAME, hills, repeatable, zone_of

LINK = find_link("radio57k-433")
HILLS = hills(seed=2)


def ridge(height_m=250.0, half_m=5000.0, step_m=25.0):
    """Level ground at 100 m with a ridge from south to north through the frame's origin."""
    east = -half_m + (np.arange(int(2 * half_m / step_m)) + 0.5) * step_m
    profile = 100.0 + height_m * np.exp(-((east / 150.0) ** 2))
    return Terrain(FRAME, -half_m, half_m, step_m, np.tile(profile, (len(east), 1)), "ridge")


def geo(east_m, north_m, height_agl_m=None):
    lat, lon = FRAME.to_geo(east_m, north_m)
    return GeoPoint(float(lat), float(lon), height_agl_m)


def station(east_m=-2000.0, north_m=0.0, mast_m=2.0):
    return Antenna(geo(east_m, north_m), mast_m)


def straight_path(terrain, start, end, height_agl_m=80.0, points=120, speed_mps=10.0):
    e, n = np.linspace(start[0], end[0], points), np.linspace(start[1], end[1], points)
    return RadioPath(
        0, np.column_stack([e, n, terrain.at(e, n) + height_agl_m]), np.full(points, float(speed_mps))
    )


# --- physics


@pytest.mark.parametrize(
    ("distance_m", "frequency_hz", "loss_db"),
    # 32.45 + 20 lg(km) + 20 lg(MHz)
    [(1000.0, 2.4e9, 100.05), (5000.0, 433e6, 99.16), (10_000.0, 915e6, 111.68)],
)
def test_free_space_loss(distance_m, frequency_hz, loss_db):
    assert free_space_db(distance_m, frequency_hz) == pytest.approx(loss_db, abs=0.02)


@pytest.mark.parametrize(
    ("v", "loss_db"), [(-5.0, 0.0), (-0.78, 0.0), (0.0, 6.03), (1.0, 13.93), (2.4, 20.54), (10.0, 32.86)]
)
def test_knife_edge_loss(v, loss_db):
    assert knife_edge_db(v) == pytest.approx(loss_db, abs=0.03)


def test_one_edge_on_a_path_worked_by_hand():
    # 2 km at 300 MHz (1 m), edge of 30 m over the line at the middle: v = 30 sqrt(2 * 2000 / 1e6) = 1.897
    ground = np.zeros((1, 101))
    ground[0, 50] = 40.0
    loss = diffraction_db(np.array([2000.0]), ground, np.array([10.0]), np.array([10.0]), 299_792_458.0)
    edge = 6.9 + 20 * math.log10(math.sqrt(1.797**2 + 1) + 1.797)
    assert edge == pytest.approx(18.62, abs=0.02)
    assert loss[0] == pytest.approx(edge + (1 - math.exp(-edge / 6)) * 10.04, abs=0.1)


def reference_db(distance_m, ground, a, b, f_hz):
    """P.526-15 sections 3.1.1, 3.2 and 4.5 a path at a time, in the Recommendation's own units."""
    d_km, f_ghz, ae = distance_m / 1000, f_hz / 1e9, 8500.0
    lam = 0.299792458 / f_ghz
    n = len(ground) - 1
    di = [d_km * i / n for i in range(n + 1)]

    def j(v):
        return 0.0 if v <= -0.78 else 6.9 + 20 * math.log10(math.sqrt((v - 0.1) ** 2 + 1) + v - 0.1)

    def bullington(h, hts, hrs):
        ce = 1 / ae
        inner = range(1, n)
        s_tim = max((h[i] + 500 * ce * di[i] * (d_km - di[i]) - hts) / di[i] for i in inner)
        s_tr = (hrs - hts) / d_km
        if s_tim < s_tr:
            v = max(
                (h[i] + 500 * ce * di[i] * (d_km - di[i]) - (hts * (d_km - di[i]) + hrs * di[i]) / d_km)
                * math.sqrt(0.002 * d_km / (lam * di[i] * (d_km - di[i])))
                for i in inner
            )
        else:
            s_rim = max((h[i] + 500 * ce * di[i] * (d_km - di[i]) - hrs) / (d_km - di[i]) for i in inner)
            db = (hrs - hts + s_rim * d_km) / (s_tim + s_rim)
            v = (hts + s_tim * db - (hts * (d_km - db) + hrs * db) / d_km) * math.sqrt(
                0.002 * d_km / (lam * db * (d_km - db))
            )
        return j(v) + (1 - math.exp(-j(v) / 6)) * (10 + 0.02 * d_km)

    v1 = sum((di[i] - di[i - 1]) * (ground[i] + ground[i - 1]) for i in range(1, n + 1))
    v2 = sum(
        (di[i] - di[i - 1]) * (ground[i] * (2 * di[i] + di[i - 1]) + ground[i - 1] * (di[i] + 2 * di[i - 1]))
        for i in range(1, n + 1)
    )
    hst, hsr = (2 * v1 * d_km - v2) / d_km**2, (v2 - v1 * d_km) / d_km**2
    over = [ground[i] - (a * (d_km - di[i]) + b * di[i]) / d_km for i in range(1, n)]
    if max(over) > 0:
        at = max(h / di[i + 1] for i, h in enumerate(over))
        ar = max(h / (d_km - di[i + 1]) for i, h in enumerate(over))
        hst -= max(over) * at / (at + ar)
        hsr -= max(over) * ar / (at + ar)
    hte, hre = a - min(hst, ground[0]), b - min(hsr, ground[-1])

    def first_term(adft):
        k = 0.036 * (adft * f_ghz) ** (-1 / 3) * (21.0**2 + (18 * 0.003 / f_ghz) ** 2) ** -0.25
        beta = (1 + 1.6 * k**2 + 0.67 * k**4) / (1 + 4.5 * k**2 + 1.53 * k**4)
        x = 21.88 * beta * (f_ghz / adft**2) ** (1 / 3) * d_km
        fx = 11 + 10 * math.log10(x) - 17.6 * x if x >= 1.6 else -20 * math.log10(x) - 5.6488 * x**1.425

        def gain(h):
            y = 0.9575 * beta**2 * (f_ghz**2 / adft) ** (1 / 3) * h
            g = (
                17.6 * math.sqrt(y - 1.1) - 5 * math.log10(y - 1.1) - 8
                if y > 2
                else 20 * math.log10(y + 0.1 * y**3)
            )
            return max(g, 2 + 20 * math.log10(k))

        return max(-fx - gain(hte) - gain(hre), 0.0)

    d_los = math.sqrt(2 * ae) * (math.sqrt(0.001 * hte) + math.sqrt(0.001 * hre))
    if d_km >= d_los:
        sphere = first_term(ae)
    else:
        c, m = (hte - hre) / (hte + hre), 250 * d_km**2 / (ae * (hte + hre))
        turn = math.acos(1.5 * c * math.sqrt(3 * m / (m + 1) ** 3))
        q = 2 * math.sqrt((m + 1) / (3 * m)) * math.cos(math.pi / 3 + turn / 3)
        d1 = d_km / 2 * (1 + q)
        d2 = d_km - d1
        clear = ((hte - 500 * d1**2 / ae) * d2 + (hre - 500 * d2**2 / ae) * d1) / d_km
        needed = 17.456 * math.sqrt(d1 * d2 * lam / d_km)
        shrunk = 500 * (d_km / (math.sqrt(hte) + math.sqrt(hre))) ** 2
        sphere = 0.0 if clear > needed else (1 - clear / needed) * first_term(shrunk)
    smooth = bullington([0.0] * (n + 1), hte, hre)
    return bullington(ground, a, b) + max(sphere - smooth, 0.0)


def test_the_kernel_is_the_plain_reference():
    rng = np.random.default_rng(5)
    for _ in range(40):
        n = int(rng.integers(8, 120))
        distance = float(rng.uniform(300.0, 40_000.0))
        rough = rng.choice([0.0, 2.0, 60.0])
        ground = 200.0 + np.cumsum(rng.normal(0, 1, (1, n)), axis=1) * rough / math.sqrt(n)
        a, b = ground[:, 0] + rng.uniform(1, 30), ground[:, -1] + rng.uniform(1, 120)
        f = float(rng.choice([433e6, 915e6, 2.44e9]))
        loss = diffraction_db(np.array([distance]), ground, a, b, f)[0]
        assert loss == pytest.approx(reference_db(distance, list(ground[0]), a[0], b[0], f), abs=0.01)


def test_low_antennas_over_a_plain_lose_more_than_free_space():
    # The first Fresnel zone touches the ground: P.526 has it, a look along the line of sight does not.
    plain = np.zeros((1, 200))
    near, far = np.array([2.0]), np.array([80.0])
    loss = diffraction_db(np.array([10_000.0]), plain, near, far, 433e6)[0]
    assert 5.0 < loss < 25.0
    assert diffraction_db(np.array([10_000.0]), plain, np.array([80.0]), far, 2.44e9)[0] == 0.0


# --- links


def test_links_by_name():
    assert find_link(" WiFi ") is LINKS["wifi"]
    with pytest.raises(SurveyError, match=r"'morse'.*wifi.*dji-o3"):
        find_link("morse")


def test_the_budget_is_a_sum():
    link = RadioLink("mine", 900e6, 20.0, 3.0, 2.0, -105.0, 15.0)
    assert link.budget_db == 20 + 3 + 2 + 105 - 15
    level = ridge(height_m=0.0)
    point = np.array([[0.0, 0.0, 500.0]])
    base = Antenna(geo(-1000.0, 0.0), 50.0)
    slant = math.hypot(1000.0, 500.0 - 150.0)
    assert margins_db(level, base, point, link)[0] == pytest.approx(
        link.budget_db - float(free_space_db(slant, 900e6)), abs=0.01
    )


def test_straight_above_the_station():
    above = np.array([[-2000.0, 0.0, 100.0 + 2.0 + 100.0]])
    margin = margins_db(ridge(), station(), above, LINK)
    assert margin[0] == pytest.approx(
        LINK.budget_db - float(free_space_db(100.0, LINK.frequency_hz)), abs=0.1
    )


def test_a_ridge_hides_what_flies_low_behind_it():
    terrain = ridge()
    points = np.array([[e, 0.0, 180.0] for e in (-1000.0, 1500.0)] + [[1500.0, 0.0, 700.0]])
    near, behind, high = margins_db(terrain, station(), points, LINK)
    assert near > 20
    assert behind < -5
    assert high > 10


def test_margins_do_not_hang_on_what_else_is_asked():
    terrain = hills()
    rng = np.random.default_rng(3)
    points = np.column_stack([rng.uniform(-2000, 2000, (50, 2)), np.full(50, 1600.0)])
    base = station(mast_m=5.0)
    together = margins_db(terrain, base, points, LINK)
    alone = np.concatenate([margins_db(terrain, base, point[None], LINK) for point in points])
    np.testing.assert_allclose(together, alone, atol=1e-9)


places = st.tuples(st.floats(-2300, 2300), st.floats(-2300, 2300), st.floats(1, 300))


@repeatable(60)
@given(places, places, st.sampled_from(list(LINKS.values())))
def test_never_better_than_free_space_and_the_same_both_ways(p, q, link):
    terrain = HILLS
    a = np.array([[p[0], p[1], float(terrain.at(p[0], p[1])) + p[2]]])
    b = np.array([[q[0], q[1], float(terrain.at(q[0], q[1])) + q[2]]])
    forth, back = pair_margins_db(terrain, a, b, link)[0], pair_margins_db(terrain, b, a, link)[0]
    free = link.budget_db - free_space_db(float(np.linalg.norm(b - a)), link.frequency_hz)
    assert forth <= free + 1e-9
    assert forth == pytest.approx(back, abs=1e-6)


@repeatable(40)
@given(st.floats(0, 300), st.floats(0, 300), st.floats(30, 200))
def test_a_higher_ridge_is_never_better(one, other, height_agl_m):
    low, high = sorted((one, other))
    margins = []
    for height in (low, high):
        point = np.array([[2000.0, 300.0, 100.0 + height_agl_m]])
        margins.append(margins_db(ridge(height, step_m=50.0), station(), point, LINK)[0])
    assert margins[1] <= margins[0] + 0.5  # the smooth-earth part gives a little back


def test_no_ground_no_answer():
    terrain = ridge()
    with pytest.raises(
        TerrainError, match=r"ridge: the DEM has no height at the station \(lat 29.99997, lon 103.90672\)"
    ):
        margins_db(terrain, station(-9000.0), np.zeros((1, 3)), LINK)
    holed = Terrain(FRAME, -5000.0, 5000.0, 25.0, terrain.heights_m.copy(), "holed")
    holed.heights_m[:, 300:320] = np.nan
    path = straight_path(terrain, (-1000.0, 0.0), (4000.0, 0.0))
    assert np.isnan(margins_db(holed, station(), path.points_m, LINK)).any()
    with pytest.raises(TerrainError, match="holed: the DEM lacks ground between the station and"):
        path_margins([path], holed, station(), LINK)


@pytest.mark.parametrize("height_m", [-1.0, math.nan])
def test_an_antenna_under_the_ground(height_m):
    with pytest.raises(SurveyError, match="the station"):
        margins_db(ridge(), station(mast_m=height_m), np.zeros((1, 3)), LINK)


# --- along flights


def test_lost_stretches_by_hand():
    east = np.arange(0.0, 700.0, 100.0)
    path = RadioPath(2, np.column_stack([east, 0 * east, 100 + 0 * east]), np.full(7, 5.0))
    margin = np.array([10.0, -10.0, -30.0, 10.0, 10.0, 10.0, -10.0])
    np.testing.assert_allclose(lost_shares(margin), [0.5, 1.0, 0.75, 0.0, 0.0, 0.5])
    first, last = lost_stretches([path], [margin], FRAME)
    assert (first.flight, first.worst_margin_db) == (2, -30.0)
    assert first.length_m == pytest.approx(225.0)
    assert first.duration_s == pytest.approx(45.0)
    e, _ = FRAME.to_local([first.start.lat_deg, first.end.lat_deg], [first.start.lon_deg, first.end.lon_deg])
    np.testing.assert_allclose(e, [50.0, 275.0], atol=1e-6)
    assert last.length_m == pytest.approx(50.0)
    assert connected_share([path], [margin]) == pytest.approx(1 - 275 / 600)
    unknown = RadioPath(0, path.points_m, np.full(7, np.nan))
    assert lost_stretches([unknown], [margin], FRAME)[0].duration_s is None
    assert lost_stretches([path], [np.abs(margin)], FRAME) == ()


def place(command, east_m, north_m, alt_m, frame=AltitudeFrame.RELATIVE):
    where = geo(east_m, north_m)
    return MissionItem(command, frame, (0.0,) * 4, where.lat_deg, where.lon_deg, alt_m)


def mission(frame=AltitudeFrame.RELATIVE, alt_m=80.0):
    speed = MissionItem(Command.DO_CHANGE_SPEED, AltitudeFrame.MISSION, (1.0, 5.0, -1.0, 0.0))
    items = (
        place(Command.NAV_TAKEOFF, -2000.0, 0.0, alt_m, frame),
        place(Command.NAV_WAYPOINT, -2000.0, 300.0, alt_m, frame),
        speed,
        place(Command.NAV_WAYPOINT, 2000.0, 300.0, alt_m, frame),
        MissionItem(Command.NAV_RETURN_TO_LAUNCH, AltitudeFrame.MISSION),
    )
    return Mission(items, geo(-2000.0, 0.0, 100.0), 8.0)


def test_the_way_of_a_mission():
    (path,) = mission_paths(mission(), ridge(), step_m=30.0)
    assert path.steps_m.max() <= 30.0 + 1e-6
    assert path.steps_m.sum() == pytest.approx(300 + 4000 + math.hypot(4000, 300), abs=0.5)
    np.testing.assert_allclose(path.points_m[[0, -1], :2], [[-2000, 0], [-2000, 0]], atol=0.02)
    np.testing.assert_allclose(path.points_m[:, 2], 180.0, atol=0.01)
    assert path.speed_mps[5] == 8.0
    assert set(path.speed_mps[20:]) == {5.0}


def test_altitudes_in_the_datum_of_the_plan():
    terrain = ridge()
    (amsl,) = mission_paths(mission(AltitudeFrame.AMSL, 600.0), terrain)
    np.testing.assert_allclose(amsl.points_m[:, 2], 600.0)
    (follows,) = mission_paths(mission(AltitudeFrame.TERRAIN, 80.0), terrain)
    e, n, up = follows.points_m.T
    np.testing.assert_allclose(up, terrain.at(e, n) + 80.0)
    far = Terrain(FRAME, 3000.0, 5000.0, 25.0, np.zeros((80, 80)), "elsewhere")
    with pytest.raises(TerrainError, match="elsewhere: the DEM has no height at lat"):
        mission_paths(mission(AltitudeFrame.TERRAIN, 80.0), far)
    # relative altitudes then count from the height that the plan gives its launch point
    (relative,) = mission_paths(mission(), far)
    np.testing.assert_allclose(relative.points_m[:, 2], 180.0, atol=0.01)


def test_a_relay_on_the_ridge_brings_the_link_back():
    terrain = ridge()
    paths = mission_paths(mission(alt_m=300.0), terrain)
    alone = path_margins(paths, terrain, station(), LINK)
    relayed = path_margins(paths, terrain, station(), LINK, Antenna(geo(0.0, 0.0), 5.0))
    assert connected_share(paths, alone) < 0.7
    assert connected_share(paths, relayed) == 1.0
    assert (relayed[0] >= alone[0]).all()
    (stretch,) = lost_stretches(paths, alone, FRAME)
    assert stretch.duration_s == pytest.approx(stretch.length_m / 5.0)
    assert stretch.start.lon_deg > 104.0  # behind the ridge


def test_a_relay_is_as_good_as_its_worse_hop():
    terrain = ridge()
    point = np.array([[2000.0, 0.0, 180.0]])
    relay = Antenna(geo(0.0, 0.0), 5.0)
    middle = relay.at_m(terrain)[None]
    hops = (
        pair_margins_db(terrain, station().at_m(terrain)[None], middle, LINK)[0],
        pair_margins_db(terrain, middle, point, LINK)[0],
    )
    assert margins_db(terrain, station(), point, LINK, relay)[0] == pytest.approx(min(hops))


# --- over the land


def test_the_shadow_holds_all_that_is_lost_and_little_more():
    terrain = ridge()
    area = shapely.box(-3000, -2000, 3000, 2000)
    shadow = radio_shadow(terrain, station(), 80.0, LINK, area, step_m=50.0)
    grid = margin_grid(terrain, station(), 80.0, LINK, area, step_m=50.0)
    rows, cols = np.indices(grid.margin_db.shape)
    e, n = grid.transform @ (cols + 0.5, rows + 0.5)
    lost = grid.margin_db < 0
    assert 0.1 < lost.mean() < 0.6
    assert shapely.contains_xy(shadow, e[lost], n[lost]).all()
    assert shadow.area < 1.2 * lost.sum() * 50.0**2
    assert shadow.bounds[0] > 0  # only behind the ridge
    relayed = radio_shadow(terrain, station(), 80.0, LINK, area, Antenna(geo(0.0, 0.0), 5.0), step_m=50.0)
    assert relayed.area < 0.2 * shadow.area


def test_no_shadow_where_all_is_heard():
    level = ridge(height_m=0.0)
    shadow = radio_shadow(level, station(mast_m=10.0), 80.0, LINK, shapely.box(-3000, -500, 0, 500))
    assert shadow.is_empty


def test_a_shadow_needs_ground_everywhere():
    with pytest.raises(TerrainError, match="ridge: the DEM lacks ground between the station and part of"):
        radio_shadow(ridge(), station(), 80.0, LINK, shapely.box(-3000, -500, 7000, 500))
    with pytest.raises(SurveyError, match="-5 m above ground"):
        radio_shadow(ridge(), station(), -5.0, LINK, shapely.box(-3000, -500, 0, 500))


def test_the_planner_goes_around_the_shadow(camera):
    terrain = ridge(height_m=120.0)
    base = station(-1500.0)
    zone = zone_of(shapely.box(-800, -400, 900, 400))
    area = shapely.box(-1700, -1000, 1300, 1000)
    shadow = radio_shadow(terrain, base, 80.0, LINK, area)
    assert shapely.intersection(shadow, shapely.box(-800, -400, 900, 400)).area > 0
    settings = SurveySettings(height_agl_m=80.0, endurance_s=3600.0)
    no_fly = [zone_of(shadow, "radio shadow")]
    plan = plan_survey([zone], camera, settings, terrain=terrain, no_fly=no_fly, launches=[base.place])
    paths = sortie_paths(plan.sorties)
    points = np.vstack([path.points_m for path in paths])
    assert not shapely.contains_xy(shadow.buffer(-1.0), points[:, 0], points[:, 1]).any()
    assert connected_share(paths, path_margins(paths, terrain, base, LINK)) > 0.99


# --- relays


def test_the_relay_is_put_where_it_sees_both_sides():
    terrain = ridge()
    paths = [straight_path(terrain, (500.0, -1500.0), (1500.0, 1500.0))]
    found = best_relay(paths, terrain, station(), LINK, 5.0)
    assert found.share_before < 0.2
    assert found.share_after == 1.0
    assert found.station_margin_db >= 0
    east, _ = FRAME.to_local(found.antenna.place.lat_deg, found.antenna.place.lon_deg)
    assert abs(float(east)) < 150  # on the ridge's back
    assert found == best_relay(paths, terrain, station(), LINK, 5.0)
    relayed = path_margins(paths, terrain, station(), LINK, found.antenna)
    assert connected_share(paths, relayed) == pytest.approx(found.share_after)


def test_a_relay_in_the_air_or_from_a_list_or_in_an_area():
    terrain = ridge()
    paths = [straight_path(terrain, (500.0, -1500.0), (1500.0, 1500.0))]
    up = best_relay(paths, terrain, station(), LINK, 600.0, shapely.box(-2500, -500, -500, 500))
    east, _ = FRAME.to_local(up.antenna.place.lat_deg, up.antenna.place.lon_deg)
    assert -2500 <= float(east) <= -500
    assert up.share_after > 0.9
    roofs = [geo(-1800.0, 0.0), geo(0.0, 200.0), geo(-300.0, 0.0)]
    listed = best_relay(paths, terrain, station(), LINK, 5.0, roofs)
    assert listed.antenna.place.lat_deg == pytest.approx(roofs[1].lat_deg)
    assert listed.antenna.place.lon_deg == pytest.approx(roofs[1].lon_deg)


def test_no_relay_where_none_is_needed_or_none_helps():
    terrain = ridge()
    near = [straight_path(terrain, (-1500.0, 0.0), (-500.0, 0.0))]
    assert best_relay(near, terrain, station(), LINK, 5.0) is None
    behind = [straight_path(terrain, (1500.0, 0.0), (2500.0, 0.0), height_agl_m=30.0)]
    deaf = RadioLink("deaf", 2.4e9, 0.0, 0.0, 0.0, -80.0, 20.0)
    assert best_relay(behind, terrain, station(), deaf, 5.0) is None
    assert best_relay(behind, terrain, station(), LINK, 5.0, []) is None
    with pytest.raises(SurveyError, match="no extent"):
        best_relay(behind, terrain, station(), LINK, 5.0, shapely.Point(0, 0))


def test_close_to_the_best_of_all_places():
    terrain = hills(amplitude_m=120.0, step_m=25.0, seed=4)
    base = station(-1500.0, -1500.0)
    path = straight_path(terrain, (-500.0, -1000.0), (1800.0, 1800.0), points=80)
    found = best_relay([path], terrain, base, LINK, 5.0)
    direct = path_margins([path], terrain, base, LINK)
    e, n = (
        axis.ravel() for axis in np.meshgrid(np.arange(-2400, 2400, 300.0), np.arange(-2400, 2400, 300.0))
    )
    best = 0.0
    for east, north in zip(e, n, strict=True):
        relayed = path_margins([path], terrain, base, LINK, Antenna(geo(east, north), 5.0))
        best = max(best, connected_share([path], relayed))
    assert connected_share([path], direct) < 0.6
    assert found.share_after > best - 0.03
