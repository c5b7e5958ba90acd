"""A block of photos over ground that is known to the pixel: no simulator, no helper of the mosaic."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from imagery.photo_tags import PhotoTags, embed_tags
from plans.cameras import Camera
from plans.frames import LocalFrame, Pose

FRAME = LocalFrame(30.0, 103.0)
GROUND_PX_M = 0.05
GROUND_UP_M = 500.0
HALF_M = 70.0
CAMERA = Camera("Test camera", 13.2, 9.9, 9.0, 1200, 900)
HEIGHT_M = 45.0
SPEED_MPS = 8.0  # five photos over 64 m, two seconds apart


def ground_texture(seed=7):
    """(rows, cols, 3) uint8: noise of many scales and bright straight roads; north up, 0, 0 in the middle."""
    rng = np.random.default_rng(seed)
    side = round(2 * HALF_M / GROUND_PX_M)
    picture = np.full((side, side, 3), 110.0, np.float32)
    for octave in range(2, 10):
        small = rng.normal(0, 9, (2**octave, 2**octave, 3)).astype(np.float32)
        picture += cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    for at in (0.3, 0.55, 0.8):
        cv2.line(picture, (0, int(at * side)), (side, int((1 - at) * side)), (205, 205, 200), 60)
    return np.clip(picture, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class KnownBlock:
    """Photos in `folder`, and the ground they show."""

    folder: Path
    ground: np.ndarray
    poses: tuple[Pose, ...]

    def ground_at(self, east_m, north_m):
        """(n, 3) BGR of the true ground at places."""
        x = ((np.asarray(east_m) + HALF_M) / GROUND_PX_M - 0.5).astype(np.float32)
        y = ((HALF_M - np.asarray(north_m)) / GROUND_PX_M - 0.5).astype(np.float32)
        return cv2.remap(self.ground, x, y, cv2.INTER_LINEAR)


def true_poses(seed=3):
    """Three lanes of five photos that look down, with the wobble of a gimbal."""
    rng = np.random.default_rng(seed)
    poses = []
    for lane, north in enumerate((-24.0, 0.0, 24.0)):
        easts = np.linspace(-32, 32, 5)
        for east in easts if lane % 2 == 0 else easts[::-1]:
            yaw = 90.0 if lane % 2 == 0 else 270.0
            wobble = rng.normal(0, 1.0, 3)
            poses.append(
                Pose(
                    float(east), north, GROUND_UP_M + HEIGHT_M + float(rng.normal(0, 0.5)),
                    yaw + wobble[0], -90.0 + wobble[1], wobble[2],
                )
            )  # fmt: skip
    return tuple(poses)


def take_photo(ground, pose, camera=CAMERA):
    """The photo (BGR) of level ground from a pose: each pixel's ray goes down to the ground. Without
    distortion that is a homography, which four rays tell."""
    assert not any(camera.distortion)
    right, bottom = camera.image_width_px - 1, camera.image_height_px - 1
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
    rays = camera.rays(corners) @ pose.camera_from_enu
    reach = (GROUND_UP_M - pose.up_m) / rays[:, 2]
    x = (pose.east_m + rays[:, 0] * reach + HALF_M) / GROUND_PX_M - 0.5
    y = (HALF_M - pose.north_m - rays[:, 1] * reach) / GROUND_PX_M - 0.5
    to_ground = cv2.getPerspectiveTransform(corners, np.stack([x, y], axis=1).astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(ground, to_ground, (right + 1, bottom + 1), flags=flags)


def write_photo(path, picture, believed, sigma_m, number, camera=CAMERA):
    """A JPEG with the tags of a camera that believes it stands at a pose."""
    lat, lon = FRAME.to_geo(believed.east_m, believed.north_m)
    tags = PhotoTags(
        make="missionctl", model=camera.name, clock=dt.datetime(2026, 7, 1, 4, 0, 2 * number),
        time_utc=dt.datetime(2026, 7, 1, 4, 0, 2 * number, tzinfo=dt.UTC),
        focal_mm=camera.focal_mm, focal_35mm=round(camera.focal_mm * 43.2666 / np.hypot(13.2, 9.9)),
        image_width_px=camera.image_width_px, image_height_px=camera.image_height_px,
        lat_deg=float(lat), lon_deg=float(lon), alt_amsl_m=believed.up_m, height_rel_m=believed.up_m - 500.0,
        yaw_deg=believed.yaw_deg % 360, pitch_deg=believed.pitch_deg, roll_deg=believed.roll_deg,
        position_sigma_h_m=sigma_m, position_sigma_v_m=1.5 * sigma_m,
    )  # fmt: skip
    whole, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert whole
    path.write_bytes(embed_tags(data.tobytes(), tags))


def write_block(folder, ground, poses, lag_s=0.0, sigma_m=0.03):
    """Photos with an RTK receiver's positions and a gimbal's angles, both a little wrong; the positions are
    those of `lag_s` before the exposure. `sigma_m` of another receiver: in plan, and 1.5 times it in height.
    """
    rng = np.random.default_rng(11)
    for number, pose in enumerate(poses):
        off = rng.normal(0, sigma_m, 3)
        turn = rng.normal(0, 1.0, 3)
        behind_m = lag_s * SPEED_MPS * (1 if number // 5 % 2 == 0 else -1)
        believed = replace(
            pose,
            east_m=pose.east_m + off[0] - behind_m, north_m=pose.north_m + off[1],
            up_m=pose.up_m + 1.5 * off[2],
            yaw_deg=pose.yaw_deg + turn[0], pitch_deg=pose.pitch_deg + turn[1],
            roll_deg=pose.roll_deg + turn[2],
        )  # fmt: skip
        write_photo(folder / f"P{number:03d}.JPG", take_photo(ground, pose), believed, sigma_m, number)
    return KnownBlock(folder, ground, poses)


@pytest.fixture(scope="session")
def known_block(tmp_path_factory):
    """Fifteen photos in three lanes."""
    folder = tmp_path_factory.mktemp("known") / "photos"
    folder.mkdir()
    return write_block(folder, ground_texture(), true_poses())
