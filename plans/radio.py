"""Will the radio reach? Link budgets over the ground between two antennas, for many places at once.

    margin = transmit power + both antenna gains - free-space loss - diffraction - sensitivity - fade margin

At 0 dB and above there is a link, below it is lost. Losses are those of `plans.diffraction`, over the ground
of the terrain. Nothing is known of trees, houses, interference and the directions an antenna is weak in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from plans.diffraction import diffraction_db, free_space_db
from plans.errors import SurveyError, TerrainError
from plans.frames import FloatArray, GeoPoint
from plans.terrain import Terrain

_FEWEST_SAMPLES, _MOST_SAMPLES = 8, 1024
_CHUNK = 400_000  # ground heights at a time: a few MB, which stay in the processor's cache


@dataclass(frozen=True)
class RadioLink:
    """Two radios of a kind, one at each end, with their antennas' gains. The fade margin is how much more
    signal than the receiver's sensitivity is wanted on an ordinary day."""

    name: str
    frequency_hz: float
    transmit_dbm: float
    station_gain_dbi: float
    vehicle_gain_dbi: float
    sensitivity_dbm: float
    fade_margin_db: float

    @property
    def budget_db(self) -> float:
        """The most loss between the antennas that leaves a link."""
        gains = self.station_gain_dbi + self.vehicle_gain_dbi
        return self.transmit_dbm + gains - self.sensitivity_dbm - self.fade_margin_db


LINKS: Mapping[str, RadioLink] = {
    link.name: link
    for link in (
        RadioLink("wifi", 2.437e9, 18.0, 2.0, 2.0, -90.0, 10.0),
        RadioLink("radio57k-433", 433.9e6, 20.0, 2.0, 2.0, -105.0, 20.0),
        RadioLink("radio57k-915", 915e6, 20.0, 2.0, 2.0, -105.0, 20.0),
        RadioLink("narrowband-868", 868e6, 14.0, 2.0, 2.0, -123.0, 20.0),
        RadioLink("narrowband-915", 915e6, 20.0, 2.0, 2.0, -123.0, 20.0),
        RadioLink("dji-o3", 2.44e9, 18.0, 2.0, 2.0, -96.0, 10.0),
    )
}
"""Typical links; a RadioLink of one's own radio is better.

- wifi: 100 mW EIRP, the limit of ETSI EN 300 328; small modules need some -98 dBm (1 Mb/s) to -91 (11 Mb/s).
- radio57k-433, -915: SiK radios, 100 mW. Their chip (Si1000) needs about -108 dBm at 40 kb/s and -104 dBm at
  100 kb/s; they talk at 64. The wide fade margin is for noise from motors and computers, to which ArduPilot's
  guide to SiK radios puts most lost links down.
- narrowband-868, -915: LoRa, spreading factor 7 in 125 kHz, 5.5 kb/s: -123 dBm (Semtech SX1276). 25 mW, the
  limit for most of 868 MHz in ERC 70-03; 100 mW at 915 MHz.
- dji-o3: 20 dBm EIRP, as DJI states for CE and SRRC. The sensitivity is not published: this one just reaches
  the 8 km that DJI states for open country without interference, no fade margin left.
"""


def find_link(name: str) -> RadioLink:
    """The link of that name, in any case. Raises SurveyError that lists the known ones."""
    link = LINKS.get(name.strip().lower())
    if link is None:
        raise SurveyError(f"no radio link is called {name!r}; known are {', '.join(LINKS)}")
    return link


@dataclass(frozen=True)
class Antenna:
    """An antenna over a place: a station's on its mast, a relay's on a mast or a hovering drone. The ground's
    height is the terrain's; the place's own altitude is not used."""

    place: GeoPoint
    height_agl_m: float

    def at_m(self, terrain: Terrain, what: str = "the station") -> FloatArray:
        """East, north, up (AMSL) in the terrain's frame, shape (3,).

        Raises TerrainError where the terrain has no ground, SurveyError for a height below it.
        """
        if not (math.isfinite(self.height_agl_m) and self.height_agl_m >= 0):
            raise SurveyError(f"{what}: an antenna {self.height_agl_m:g} m above ground; give 0 m or more")
        east, north = terrain.frame.to_local(self.place.lat_deg, self.place.lon_deg)
        ground = float(terrain.at(east, north))
        if not math.isfinite(ground):
            raise TerrainError(
                f"{terrain.source}: the DEM has no height at {what} (lat {self.place.lat_deg:.5f}, "
                f"lon {self.place.lon_deg:.5f}); take one that covers it"
            )
        return np.array([float(east), float(north), ground + self.height_agl_m])


def margins_db(
    terrain: Terrain,
    station: Antenna,
    points_m: FloatArray,
    link: RadioLink,
    relay: Antenna | None = None,
) -> FloatArray:
    """Link margins (n,) from the station to points (n, 3; east, north, up AMSL) in the terrain's frame.

    With a relay: the better of the straight way and the way over the relay, whose margin is that of its worse
    hop. NaN where the terrain does not know the ground between. Raises TerrainError, SurveyError as
    `Antenna.at_m`.
    """
    base = station.at_m(terrain)
    straight = pair_margins_db(terrain, base[None], points_m, link)
    if relay is None:
        return straight
    middle = relay.at_m(terrain, "the relay")[None]
    first = pair_margins_db(terrain, base[None], middle, link)
    over = np.minimum(first, pair_margins_db(terrain, middle, points_m, link))
    return np.fmax(straight, over)


def pair_margins_db(
    terrain: Terrain, a_m: FloatArray, b_m: FloatArray, link: RadioLink, step_m: float | None = None
) -> FloatArray:
    """Link margins (n,) of pairs of places, each (n, 3) or (1, 3): east, north, up AMSL.

    The ground is looked at every `step_m`, by default the terrain's own step, and at 1024 places at most. The
    margin from a to b is that from b to a, and does not depend on what other pairs are asked for.
    """
    a, b = np.broadcast_arrays(np.asarray(a_m, float), np.asarray(b_m, float))
    flat = np.hypot(b[:, 0] - a[:, 0], b[:, 1] - a[:, 1])
    loss = free_space_db(np.hypot(flat, b[:, 2] - a[:, 2]), link.frequency_hz)
    for chosen, x in _alike(flat, step_m or terrain.step_m):
        p, q = a[chosen, :, None], b[chosen, :, None]
        ground = terrain.at(p[:, 0] + (q[:, 0] - p[:, 0]) * x, p[:, 1] + (q[:, 1] - p[:, 1]) * x)
        ends = p[:, 2, 0], q[:, 2, 0]
        loss[chosen] += diffraction_db(flat[chosen], ground, *ends, link.frequency_hz)
    return link.budget_db - loss


def _alike(flat_m: FloatArray, step_m: float) -> Iterator[tuple[np.ndarray, FloatArray]]:
    """Paths that take the same number of samples, and the samples' shares of the path, in handy chunks.

    The numbers stand sqrt(2) apart, so that there are few groups.
    """
    needed = np.clip(flat_m / step_m + 1, _FEWEST_SAMPLES, _MOST_SAMPLES)
    rungs = np.ceil(2 * np.log2(needed)).astype(int)
    for rung in np.unique(rungs):
        count = math.ceil(2 ** (rung / 2))
        members = np.flatnonzero(rungs == rung)
        size = max(_CHUNK // count, 1)
        for start in range(0, len(members), size):
            yield members[start : start + size], np.linspace(0.0, 1.0, count)
