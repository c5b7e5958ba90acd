"""What makers of drones write into XMP, brought to one set of names and one sense of angles.

Sources: DJI's, Autel's and Skydio's photos as ExifTool (DJI.pm, XMP.pm) and OpenAthena read them, Parrot's
"Embedded Photo Metadata" page, Pix4D's and senseFly's Camera namespace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

DJI_NAMESPACE = "http://www.dji.com/drone-dji/1.0/"

_MAKERS = (
    ("dji.com/drone-dji", "dji"),
    ("autel", "autel"),
    ("skydio", "skydio"),
    ("parrot.com/drone-parrot", "parrot"),
    ("pix4d.com/camera", "camera"),
    ("sensefly.com/camera", "camera"),
)
"""What a namespace's address holds, and the maker's short name here. Addresses differ between firmwares."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "lat_deg": ("dji.GpsLatitude", "autel.GpsLatitude", "skydio.Latitude"),
    "lon_deg": (
        "dji.GpsLongitude",
        "dji.GpsLongtitude",
        "autel.GpsLongitude",
        "autel.GpsLongtitude",
        "skydio.Longitude",
    ),
    "alt_amsl_m": ("dji.AbsoluteAltitude", "autel.AbsoluteAltitude", "skydio.AbsoluteAltitude"),
    "height_rel_m": (
        "dji.RelativeAltitude",
        "autel.RelativeAltitude",
        "skydio.RelativeAltitude",
        "camera.AboveGroundAltitude",
    ),
    "yaw_deg": (
        "dji.GimbalYawDegree",
        "autel.GimbalYawDegree",
        "skydio.CameraOrientationNED.Yaw",
        "parrot.CameraYawDegree",
        "camera.Yaw",
    ),
    "pitch_deg": (
        "dji.GimbalPitchDegree",
        "autel.GimbalPitchDegree",
        "skydio.CameraOrientationNED.Pitch",
        "parrot.CameraPitchDegree",
    ),
    "roll_deg": (
        "dji.GimbalRollDegree",
        "autel.GimbalRollDegree",
        "skydio.CameraOrientationNED.Roll",
        "parrot.CameraRollDegree",
        "camera.Roll",
    ),
    "flight_yaw_deg": ("dji.FlightYawDegree", "autel.FlightYawDegree", "parrot.DroneYawDegree"),
    "flight_pitch_deg": ("dji.FlightPitchDegree", "autel.FlightPitchDegree", "parrot.DronePitchDegree"),
    "flight_roll_deg": ("dji.FlightRollDegree", "autel.FlightRollDegree", "parrot.DroneRollDegree"),
    "position_sigma_h_m": ("skydio.GpsHorizontalAccuracy", "camera.GPSXYAccuracy"),
    "position_sigma_v_m": ("dji.RtkStdHgt", "skydio.GpsVerticalAccuracy", "camera.GPSZAccuracy"),
}


def xmp_root(xmp: bytes | str) -> Element | None:
    """The packet as a tree; None where there is none, or a broken one."""
    text = xmp.encode() if isinstance(xmp, str) else xmp
    start, end = text.find(b"<x:xmpmeta"), text.find(b"</x:xmpmeta>")
    if start < 0 or end < 0:
        return None
    try:
        return cast(Element, ElementTree.fromstring(text[start : end + len(b"</x:xmpmeta>")]))
    except (ElementTree.ParseError, DefusedXmlException):
        return None  # a photo with broken XMP still has its EXIF


def maker_tags(xmp: bytes | str) -> dict[str, float]:
    """The numbers a drone's maker wrote, by the names of PhotoTags; pitch -90 looks down."""
    root = xmp_root(xmp)
    if root is None:
        return {}
    told = _numbers(root, "")
    found = {
        name: next(told[key] for key in keys if key in told)
        for name, keys in _NAMES.items()
        if any(key in told for key in keys)
    }
    rtk = [told[k] for k in ("dji.RtkStdLon", "dji.RtkStdLat") if k in told]
    if rtk:
        found["position_sigma_h_m"] = max(rtk)
    if "pitch_deg" not in found and "camera.Pitch" in told:
        found["pitch_deg"] = _from_nadir(told["camera.Pitch"])
    return found


def _from_nadir(pitch_deg: float) -> float:
    """Pix4D and senseFly count from straight down, Parrot and old Autels write the gimbal's -90 in the same
    tag. What is nearer to the horizon than to the ground in one sense looks down in the other."""
    if abs(pitch_deg + 90.0) < 45.0:
        return pitch_deg
    return -abs(pitch_deg) if abs(pitch_deg - 90.0) < 45.0 else pitch_deg - 90.0


def _numbers(element: Element, prefix: str) -> dict[str, float]:
    """All numbers of known makers under an element, attributes and elements; dotted in a structure."""
    found: dict[str, float] = {}
    maker, name = _known(element.tag)
    own = f"{maker}.{name}" if maker else ""
    below = own or prefix
    for key, value in element.attrib.items():
        _add(found, below, *_known(key), value)
    if maker:
        _add(found, prefix, maker, name, element.text)
    for child in element:
        found |= {key: value for key, value in _numbers(child, below).items() if key not in found}
    return found


def _add(found: dict[str, float], prefix: str, maker: str, name: str, value: str | None) -> None:
    number = _number(value)
    if maker and number is not None:
        found[f"{prefix}.{name}" if prefix else f"{maker}.{name}"] = number
    elif maker and value and value.count(",") == 2:  # roll, pitch, yaw in one text
        parts = [_number(v) for v in value.split(",")]
        for part, angle in zip(("Roll", "Pitch", "Yaw"), parts, strict=True):
            if angle is not None:
                found[f"{maker}.{name}.{part}"] = angle


def _known(tag: str) -> tuple[str, str]:
    """(maker, name) of a tag in Clark's notation; ("", "") of a stranger's."""
    address, _, name = tag.removeprefix("{").rpartition("}")
    address = address.casefold()
    return next(((maker, name) for part, maker in _MAKERS if part in address), ("", ""))


def _number(text: str | None) -> float | None:
    """A number, also as XMP writes fractions ("4275/100")."""
    top, slash, bottom = (text or "").strip().partition("/")
    try:
        number = float(top) / (float(bottom) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None
