"""The flight battery: charge, voltage under load, and what a sagging cell does."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_OPEN_CIRCUIT = ((0.0, 3.0), (0.05, 3.45), (0.1, 3.6), (0.3, 3.72), (0.5, 3.82), (0.7, 3.95), (1.0, 4.2))
"""(state of charge, volts) of a LiPo cell at rest; typical manufacturer's curve, straight lines between."""


@dataclass(frozen=True)
class BatteryPack:
    """A lithium polymer pack and the machine's appetite. Defaults: 6S 10 Ah, 24 minutes of hover to empty."""

    cells: int = 6
    capacity_mah: float = 10_000.0
    resistance_ohm: float = 0.024
    hover_power_w: float = 540.0
    avionics_power_w: float = 12.0


class Battery:
    """State of one pack. Call `drain` with the thrust; read volts, amps and remaining charge."""

    def __init__(self, pack: BatteryPack, charge_share: float = 1.0) -> None:
        self.pack = pack
        self.used_mah = pack.capacity_mah * (1.0 - charge_share)
        self.consumed_mah = 0.0
        """What the power monitor has counted since it was switched on (it cannot know the rest)."""
        self.extra_resistance_ohm = 0.0
        self.amps = 0.0
        self.volts = self._open_circuit()

    @property
    def charge_share(self) -> float:
        """Remaining charge, 0..1."""
        return max(0.0, 1.0 - self.used_mah / self.pack.capacity_mah)

    @property
    def thrust_share(self) -> float:
        """How much of the nominal thrust the voltage still gives; nothing when the pack is empty."""
        if self.used_mah >= self.pack.capacity_mah:
            return 0.0
        return min(1.0, self.volts / (3.5 * self.pack.cells))

    def drain(self, thrust_over_weight: float, dt_s: float) -> None:
        """Draw power for dt_s. Rotor power goes with thrust to the 3/2 (momentum theory)."""
        pack = self.pack
        watts = pack.avionics_power_w + pack.hover_power_w * max(thrust_over_weight, 0.0) ** 1.5
        resistance = pack.resistance_ohm + self.extra_resistance_ohm
        rest = self._open_circuit()
        # P = I (U0 - I R): the smaller root; beyond the pack's greatest power it gives what it can
        root = rest * rest - 4.0 * resistance * watts
        self.amps = (rest - math.sqrt(root)) / (2.0 * resistance) if root > 0.0 else rest / (2.0 * resistance)
        self.volts = rest - self.amps * resistance
        drawn = self.amps * dt_s / 3.6
        self.used_mah += drawn
        self.consumed_mah += drawn

    def _open_circuit(self) -> float:
        charge = self.charge_share
        for (low, v_low), (high, v_high) in itertools.pairwise(_OPEN_CIRCUIT):
            if charge <= high:
                return self.pack.cells * (v_low + (v_high - v_low) * (charge - low) / (high - low))
        return self.pack.cells * _OPEN_CIRCUIT[-1][1]
