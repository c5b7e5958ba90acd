"""Heights of the ground as the vehicle knows them: from its card, or asked of the station (AP_Terrain).

The station sends them in tiles of 4 x 4 heights; 7 x 8 tiles make a block of 28 x 32, whose south-west corner
lies on a grid that begins at every whole degree. Neighbouring blocks overlap by a tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.autopilot.mission import RTL, WAYPOINT, Frame
from sim.place import Place

if TYPE_CHECKING:
    from sim.autopilot.core import Vehicle

TILE, TILES_NORTH, TILES_EAST = 4, 7, 8
TILES = TILES_NORTH * TILES_EAST
_WHOLE = (1 << TILES) - 1
_STEP_NORTH, _STEP_EAST = (TILES_NORTH - 1) * TILE, (TILES_EAST - 1) * TILE
_METRES = 0.011131884502145034
"""A ten-millionth of a degree of latitude (ArduPilot's LOCATION_SCALING_FACTOR)."""
_REQUEST_S = 2.0
_SLOW_S = 1.0
_BLOCKS = 200
"""So many are kept; a block is 7 km²."""
_MARGIN_M = 0.05
"""A tile's corner may be this far from where the vehicle expects it (TERRAIN_MARGIN)."""


@dataclass(frozen=True)
class Spot:
    """A place in the grid: its block's corner (degrees times 1e7), and row and column in the block."""

    corner: tuple[int, int]
    north: float
    east: float


def _shrink(lat_e7: float) -> float:
    return max(math.cos(math.radians(lat_e7 * 1e-7)), 0.01)


def spot_of(lat_e7: int, lon_e7: int, spacing_m: int) -> Spot:
    """Where a place falls in the grid of blocks."""
    ref_lat, ref_lon = (value // 10_000_000 * 10_000_000 for value in (lat_e7, lon_e7))
    north_m = (lat_e7 - ref_lat) * _METRES
    east_m = (lon_e7 - ref_lon) * _METRES * _shrink((lat_e7 + ref_lat) / 2)
    row, col = int(north_m / spacing_m) // _STEP_NORTH, int(east_m / spacing_m) // _STEP_EAST
    lat = ref_lat + int(row * _STEP_NORTH * spacing_m / _METRES)
    lon_m = col * _STEP_EAST * spacing_m
    lon = ref_lon + int(lon_m / _METRES / _shrink(ref_lat + (lat - ref_lat) / 2))
    return Spot((lat, lon), north_m / spacing_m - row * _STEP_NORTH, east_m / spacing_m - col * _STEP_EAST)


@dataclass
class Block:
    """28 x 32 heights, as far as they have come."""

    spacing_m: int
    mask: int = 0
    heights: list[list[float]] = field(
        default_factory=lambda: [[0.0] * (TILES_EAST * TILE) for _ in range(TILES_NORTH * TILE)]
    )

    def fill(self, bit: int, data: list[int]) -> None:
        """A tile has come: 16 heights, east first."""
        row, col = bit // TILES_EAST * TILE, bit % TILES_EAST * TILE
        for x in range(TILE):
            self.heights[row + x][col : col + TILE] = data[x * TILE : (x + 1) * TILE]
        self.mask |= 1 << bit

    def height_m(self, north: float, east: float) -> float | None:
        """Between four heights; None if one of them is missing."""
        i, j = int(north), int(east)
        corners = ((i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1))
        if any(not self.mask >> (y // TILE + x // TILE * TILES_EAST) & 1 for x, y in corners):
            return None
        h00, h10, h01, h11 = (self.heights[x][y] for x, y in corners)
        fx, fy = north - i, east - j
        return (1 - fy) * ((1 - fx) * h00 + fx * h10) + fy * ((1 - fx) * h01 + fx * h11)


@dataclass(frozen=True)
class Request:
    """Tiles that are missing from a block: TERRAIN_REQUEST."""

    lat_e7: int
    lon_e7: int
    spacing_m: int
    mask: int


class Terrain:
    """The ground of one vehicle. With its card (`on_card`) it knows the place's own terrain everywhere;
    without, what the station has sent. Call `update` ten times a second."""

    def __init__(self, vehicle: Vehicle, on_card: bool) -> None:
        self._vehicle, self._on_card = vehicle, on_card
        self._blocks: dict[tuple[int, int], Block] = {}
        self._last_m = vehicle.home_up_m
        self._offset_m = 0.0
        self._armed = False
        self._stored: tuple[object, ...] = ()
        self._planned: frozenset[tuple[int, int]] = frozenset()
        self._next_s = self._request_s = 0.0
        self.waiting = False
        """Whether heights are missing that the mission, home or this place need."""

    @property
    def _place(self) -> Place:
        return self._vehicle.place

    @property
    def spacing_m(self) -> int:
        """Between two heights."""
        return min(max(1, int(self._vehicle.params["TERRAIN_SPACING"])), 32_767)

    @property
    def on(self) -> bool:
        """TERRAIN_ENABLE."""
        return self._vehicle.params["TERRAIN_ENABLE"] > 0

    def known_m(self, east_m: float, north_m: float) -> float | None:
        """Height of the ground AMSL at a place, None where it is not known."""
        if not self.on:
            return None
        if self._on_card:
            return self._place.ground.height_m(east_m, north_m)
        spot = self._spot(east_m, north_m)
        block = self._blocks.get(spot.corner)
        height = block.height_m(spot.north, spot.east) if block else None
        return None if height is None else height + self._offset_m

    def want(self, east_m: float, north_m: float) -> None:
        """A station has asked about a place: its block is fetched too."""
        if self.on:
            self._block(self._spot(east_m, north_m).corner)

    def height_m(self, east_m: float, north_m: float) -> float:
        """Height of the ground to fly by: where it is not known, that which was last."""
        height = self.known_m(east_m, north_m)
        return self._last_m if height is None else height

    def _spot(self, east_m: float, north_m: float) -> Spot:
        if not (math.isfinite(east_m) and math.isfinite(north_m)):
            return Spot((0, 0), 0.0, 0.0)  # a quarter of the Earth away
        lat, lon = self._place.to_geo(east_m, north_m)
        return spot_of(round(lat * 1e7), round(lon * 1e7), self.spacing_m)

    def update(self) -> None:
        """Follow the vehicle; once a second see what is wanted."""
        vehicle = self._vehicle
        if not self.on:
            self.waiting = False
            return
        here = self.known_m(vehicle.estimate.east_m, vehicle.estimate.north_m)
        self._last_m = self._last_m if here is None else here
        if vehicle.armed and not self._armed and here is not None and not self._on_card:
            most = vehicle.params["TERRAIN_OFS_MAX"]  # it stands on the ground: so high is the ground
            self._offset_m += vehicle.estimate.up_m - here
            self._offset_m = max(-most, min(most, self._offset_m))
        self._armed = vehicle.armed
        if vehicle.time_s >= self._next_s and vehicle.origin_set:
            self._next_s = vehicle.time_s + _SLOW_S
            self._want()

    def _want(self) -> None:
        """Make room for all blocks that are needed."""
        here = {self._spot(east, north).corner for east, north in self._around()}
        corners = sorted(here | self._mission_corners())
        self.waiting = any(self._block(corner).mask != _WHOLE for corner in corners)

    def _mission_corners(self) -> frozenset[tuple[int, int]]:
        """The blocks that the mission and the rally points need, found anew when these change."""
        vehicle = self._vehicle
        stored = (
            self.spacing_m,
            *(vehicle.mission[index] for index in range(1, len(vehicle.mission))),
            *(vehicle.rally[index] for index in range(len(vehicle.rally))),
        )
        if stored != self._stored:
            self._stored = stored
            self._planned = frozenset(self._spot(*place).corner for place in self._planned_places())
        return self._planned

    def _block(self, corner: tuple[int, int]) -> Block:
        block = self._blocks.get(corner)
        if block is None or block.spacing_m != self.spacing_m:
            if len(self._blocks) >= _BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            block = self._blocks[corner] = Block(self.spacing_m)
        if self._on_card:
            block.mask = _WHOLE
        return block

    def _around(self) -> Iterator[tuple[float, float]]:
        """Here, the surroundings, home."""
        vehicle, spacing = self._vehicle, self.spacing_m
        e = vehicle.estimate
        for x in (0, -1, 1):
            for y in (0, -1, 1):
                north = x * 0.7 * TILES_NORTH * TILE * spacing
                yield e.east_m + y * 0.7 * TILES_EAST * TILE * spacing, e.north_m + north
        yield vehicle.home_east_m, vehicle.home_north_m

    def _planned_places(self) -> Iterator[tuple[float, float]]:
        """The mission's waypoints with their surroundings, the rally points."""
        vehicle, spacing = self._vehicle, self.spacing_m
        for index in range(1, len(vehicle.mission)):
            item = vehicle.mission[index]
            if item.command == WAYPOINT and item.has_place:
                east, north = self._place.to_local(item.x / 1e7, item.y / 1e7)
                yield east, north
                aside = 10 * spacing * math.sqrt(0.5)
                for dx, dy in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
                    yield east + dx * aside, north + dy * aside
        for index in range(len(vehicle.rally)):
            item = vehicle.rally[index]
            yield self._place.to_local(item.x / 1e7, item.y / 1e7)

    # -- the station ---------------------------------------------------------------------------------------

    def request(self) -> Request | None:
        """What to ask the station for now: every two seconds one block, the nearest first."""
        vehicle = self._vehicle
        if not self.on or int(vehicle.params["TERRAIN_OPTIONS"]) & 1 or vehicle.time_s < self._request_s:
            return None
        here = self._spot(vehicle.estimate.east_m, vehicle.estimate.north_m).corner
        for corner, block in sorted(self._blocks.items(), key=lambda entry: entry[0] != here):
            if block.mask != _WHOLE and block.spacing_m == self.spacing_m:
                self._request_s = vehicle.time_s + _REQUEST_S
                return Request(*corner, block.spacing_m, _WHOLE & ~block.mask)
        return None

    def take(self, lat_e7: int, lon_e7: int, spacing_m: int, bit: int, data: list[int]) -> None:
        """TERRAIN_DATA: a tile, ignored unless it belongs to a block that was asked for."""
        near = round(_MARGIN_M * 100)
        for (lat, lon), block in self._blocks.items():
            same = abs(lat - lat_e7) <= near and abs(lon - lon_e7) <= near
            if same and block.spacing_m == spacing_m == self.spacing_m and 0 <= bit < TILES:
                block.fill(bit, data)
                return

    def counts(self) -> tuple[int, int]:
        """Tiles that are awaited and tiles that are there, as TERRAIN_REPORT tells them."""
        blocks = [b for b in self._blocks.values() if b.spacing_m == self.spacing_m]
        loaded = sum(block.mask.bit_count() for block in blocks)
        return TILES * len(blocks) - loaded, loaded

    # -- checks --------------------------------------------------------------------------------------------

    def reason_not_to_arm(self) -> str | None:
        """ArduPilot's words, or None: only a mission with heights above the ground needs them."""
        mission = self._vehicle.mission
        items = (mission[index] for index in range(1, len(mission)))
        if not any(item.frame == Frame.TERRAIN and item.command != RTL for item in items):
            return None
        if not self.on:
            return "terrain disabled"
        return "waiting for terrain data" if self.waiting or not self._blocks else None
