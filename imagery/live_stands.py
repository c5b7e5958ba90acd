"""Where the photos of a live mosaic stand: as JSON and back, and for the mission's record."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from shapely import Polygon

from imagery.live_place import Stand
from imagery.live_ties import Ties
from imagery.quality import BY_PRIORS, BY_TIE_POINTS, PlacedPhoto
from plans.cameras import Camera
from plans.frames import FloatArray, LocalFrame, Pose


@dataclass(frozen=True)
class KeptStand:
    """What is kept of a stand: the tags are in the photo's file, what was found in it stands beside. `prior`
    is that of a photo whose tags have no position."""

    pose: Pose
    prior: Pose | None
    camera: Camera
    tied: bool
    gain: FloatArray


def kept_stands(
    stands: Mapping[str, Stand], guessed: Set[str], gains: Mapping[str, FloatArray]
) -> dict[str, Any]:
    """JSON-ready: the cameras, each once, and the stands by the photos' names."""
    cameras = list(dict.fromkeys(s.camera for s in stands.values()))
    number = {camera: n for n, camera in enumerate(cameras)}
    return {
        "cameras": [asdict(c) for c in cameras],
        "stands": {
            name: {
                "pose": _told(stand.pose),
                "prior": _told(stand.photo.prior) if name in guessed else None,
                "camera": number[stand.camera],
                "tied": stand.tied,
                "gain": gains[name].tolist(),
            }
            for name, stand in stands.items()
        },
    }


def read_stands(told: Mapping[str, Any]) -> dict[str, KeptStand]:
    """The same again."""
    cameras = [
        Camera(**(values | {"distortion": tuple(values["distortion"])})) for values in told.get("cameras", [])
    ]
    return {
        name: KeptStand(
            Pose(*kept["pose"]),
            None if kept["prior"] is None else Pose(*kept["prior"]),
            cameras[kept["camera"]],
            bool(kept["tied"]),
            np.array(kept["gain"], float),
        )
        for name, kept in told.get("stands", {}).items()
    }


def _told(pose: Pose) -> list[float]:
    return [pose.east_m, pose.north_m, pose.up_m, pose.yaw_deg, pose.pitch_deg, pose.roll_deg]


def placed_photos(
    frame: LocalFrame, stands: Mapping[str, Stand], ties: Ties, outlines: Mapping[str, FloatArray]
) -> tuple[PlacedPhoto, ...]:
    """The stands as the mission's record has them; `outlines` (8, 2) are local places around their ground."""
    out = []
    for name, stand in stands.items():
        lat, lon = frame.to_geo(*outlines[name].T)
        centre_lat, centre_lon = frame.to_geo(stand.pose.east_m, stand.pose.north_m)
        out.append(
            PlacedPhoto(
                name,
                Polygon(np.stack([lon, lat], axis=1)),
                stand.pose,
                float(centre_lat),
                float(centre_lon),
                BY_TIE_POINTS if stand.tied else BY_PRIORS,
                sum(ties.shared(name, mate) for mate in ties.mates(name)),
                stand.features.sharpness,
            )
        )
    return tuple(out)
