"""What a photo says of itself: EXIF and XMP, read and written without touching the pixels.

Sources: EXIF 2.32 (CIPA DC-008), the drone-dji XMP namespace as DJI aircraft write it, XMP Part 3 (APP1
segments in JPEG files).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import SubElement, register_namespace
from xml.etree.ElementTree import tostring as serialise

from defusedxml import ElementTree
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import IFDRational

from imagery.dng import dng_preview, is_dng
from imagery.errors import PhotoError
from imagery.maker_xmp import DJI_NAMESPACE, maker_tags, xmp_root

_EXIF_HEADER = b"Exif\x00\x00"
_ZONE_FAULT_S = 60.0
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\x00"


class PhotoTagError(PhotoError):
    """A file that is no whole JPEG, or whose tags cannot be read or written."""


@dataclass(frozen=True)
class PhotoTags:
    """Everything is None where the photo does not say it.

    `yaw_deg`, `pitch_deg`, `roll_deg` are the camera's (gimbal's; pitch -90 looks down), `flight_*` the
    airframe's. `clock` is the camera's own clock without a zone; `time_utc` only where the zone is known.
    `sensor_width_mm` is worked out from the resolution of the focal plane.
    """

    make: str | None = None
    model: str | None = None
    serial: str | None = None
    clock: dt.datetime | None = None
    time_utc: dt.datetime | None = None
    focal_mm: float | None = None
    focal_35mm: float | None = None
    sensor_width_mm: float | None = None
    exposure_s: float | None = None
    image_width_px: int | None = None
    image_height_px: int | None = None
    orientation: int | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_amsl_m: float | None = None
    height_rel_m: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    flight_yaw_deg: float | None = None
    flight_pitch_deg: float | None = None
    flight_roll_deg: float | None = None
    position_sigma_h_m: float | None = None
    position_sigma_v_m: float | None = None


def read_tags(path: Path) -> PhotoTags:
    """The tags of a JPEG, TIFF or DNG (the size is its preview's); of JPEG and TIFF only headers are read.

    Raises PhotoTagError when the file is not an image or its header is cut short.
    """
    try:
        with _without_remarks(), Image.open(path) as image:
            width, height = image.size
            exif = image.getexif()
            xmp = image.info.get("xmp", b"") or exif.get(ExifTags.Base.XMLPacket, b"")
            details = exif.get_ifd(ExifTags.IFD.Exif)
            gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        if is_dng(path):
            with Image.open(io.BytesIO(dng_preview(path))) as preview:
                width, height = preview.size
    except FileNotFoundError:
        raise PhotoTagError(f"{path}: no such photo") from None
    except PhotoError as error:
        raise PhotoTagError(str(error)) from None
    except UnidentifiedImageError:
        raise PhotoTagError(
            f"{path}: not a readable photo (no picture in it); copy it from the card again"
        ) from None
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise PhotoTagError(f"{path}: not a readable photo ({error}); copy it from the card again") from None
    maker = maker_tags(xmp)
    lat = _first(maker.pop("lat_deg", None), _degrees(gps.get(2), gps.get(1)))
    lon = _first(maker.pop("lon_deg", None), _degrees(gps.get(4), gps.get(3)))
    if lat == 0 and lon == 0:  # "no fix" in most cameras
        lat = lon = None
    clock = _clock(details)
    return PhotoTags(
        make=_text(exif.get(ExifTags.Base.Make)),
        model=_text(exif.get(ExifTags.Base.Model)),
        serial=_text(details.get(ExifTags.Base.BodySerialNumber)),
        clock=clock,
        time_utc=_time_utc(details, gps, clock),
        focal_mm=_number(details.get(ExifTags.Base.FocalLength)),
        focal_35mm=_number(details.get(ExifTags.Base.FocalLengthIn35mmFilm)) or None,
        sensor_width_mm=_sensor_width_mm(details, width, height),
        exposure_s=_number(details.get(ExifTags.Base.ExposureTime)),
        image_width_px=width,
        image_height_px=height,
        orientation=exif.get(ExifTags.Base.Orientation),
        lat_deg=lat,
        lon_deg=lon,
        alt_amsl_m=_first(maker.pop("alt_amsl_m", None), _altitude(gps)),
        yaw_deg=_first(maker.pop("yaw_deg", None), _number(gps.get(17))),
        position_sigma_h_m=_first(maker.pop("position_sigma_h_m", None), _number(gps.get(31))),
        **maker,
    )


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Pillow warns of tags that it cannot read; to us they say nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def embed_tags(jpeg: bytes, tags: PhotoTags) -> bytes:
    """The same JPEG with these tags in its EXIF and XMP; other tags and all pixels stay as they are.

    Raises PhotoTagError when the bytes are not a JPEG.
    """
    kept = _segments_without_tags(jpeg)
    with Image.open(io.BytesIO(jpeg)) as image:
        old_exif, old_xmp = image.getexif(), image.info.get("xmp", b"")
    exif = _EXIF_HEADER + _exif_bytes(tags, old_exif)
    xmp = _XMP_HEADER + _xmp_bytes(tags, old_xmp)
    return b"\xff\xd8" + _app1(exif) + _app1(xmp) + kept


def write_tags(path: Path, tags: PhotoTags) -> None:
    """Add these tags to a JPEG in place: what is None stays as the photo has it.

    The file is replaced in one step, so that a crash leaves the old or the new one.
    """
    old = read_tags(path)
    merged = PhotoTags(
        **{
            f.name: getattr(tags, f.name) if getattr(tags, f.name) is not None else getattr(old, f.name)
            for f in fields(PhotoTags)
        }
    )
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(embed_tags(path.read_bytes(), merged))
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise PhotoTagError(f"{path}: tags could not be written ({error.strerror})") from None


def _first(*values: float | None) -> float | None:
    return next((v for v in values if v is not None), None)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).split("\x00")[0].strip() if value is not None else ""
    return text or None


def _degrees(triple: Any, ref: Any) -> float | None:
    try:
        d, m, s = (float(v) for v in triple)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = d + m / 60 + s / 3600
    if not math.isfinite(value):
        return None
    return -value if _text(ref) in ("S", "W") else value


def _altitude(gps: dict[int, Any]) -> float | None:
    value = _number(gps.get(6))
    below = gps.get(5) in (1, b"\x01")
    return -value if value is not None and below else value


def _clock(details: dict[int, Any]) -> dt.datetime | None:
    stamp = _text(details.get(ExifTags.Base.DateTimeOriginal))
    if not stamp:
        return None
    try:
        clock = dt.datetime.strptime(stamp[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    fraction = _text(details.get(ExifTags.Base.SubsecTimeOriginal))
    if fraction and fraction.isdigit():
        clock += dt.timedelta(seconds=float("0." + fraction))
    return clock


def _time_utc(details: dict[int, Any], gps: dict[int, Any], clock: dt.datetime | None) -> dt.datetime | None:
    """By clock and zone, to a part of a second; by GPS where that says otherwise or the zone is missing."""
    by_zone, by_gps = None, _gps_time(gps)
    offset = _text(details.get(ExifTags.Base.OffsetTimeOriginal))
    if clock and offset:
        with contextlib.suppress(ValueError, OverflowError):  # a malformed zone is no zone
            by_zone = dt.datetime.fromisoformat(clock.isoformat() + offset).astimezone(dt.UTC)
    if by_zone and by_gps and abs((by_zone - by_gps).total_seconds()) > _ZONE_FAULT_S:
        return by_gps
    return by_zone or by_gps


def _gps_time(gps: dict[int, Any]) -> dt.datetime | None:
    day, time = _text(gps.get(29)), gps.get(7)
    try:
        hours, minutes, seconds = (float(v) for v in time)  # type: ignore[union-attr]
        start = dt.datetime.strptime(day or "", "%Y:%m:%d").replace(tzinfo=dt.UTC)
        return start + dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _sensor_width_mm(details: dict[int, Any], width_px: int, height_px: int) -> float | None:
    """The sensor's width from pixels per unit of the focal plane, which are those of the photo as taken."""
    per_unit = _number(details.get(ExifTags.Base.FocalPlaneXResolution))
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}.get(details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    taken_px = _number(details.get(ExifTags.Base.ExifImageWidth)) or width_px
    if not per_unit or unit_mm is None or per_unit <= 0 or taken_px < max(width_px, 1) * 0.99:
        return None
    width_mm = taken_px / per_unit * unit_mm
    return width_mm if 2.0 <= width_mm <= 60.0 else None


def _rational(value: float, denominator: int = 1_000_000) -> IFDRational:
    return IFDRational(round(value * denominator), denominator)


def _dms(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    value = abs(value)
    degrees = int(value)
    minutes = int((value - degrees) * 60)
    seconds = (value - degrees - minutes / 60) * 3600
    return IFDRational(degrees), IFDRational(minutes), _rational(max(seconds, 0.0))


def _exif_bytes(tags: PhotoTags, exif: Image.Exif) -> bytes:
    base = {
        ExifTags.Base.Make: tags.make,
        ExifTags.Base.Model: tags.model,
        ExifTags.Base.Orientation: tags.orientation,
    }
    exif.update({int(k): v for k, v in base.items() if v is not None})
    details = exif.get_ifd(ExifTags.IFD.Exif)
    for tag, value in (
        (ExifTags.Base.FocalLength, tags.focal_mm),
        (ExifTags.Base.ExposureTime, tags.exposure_s),
    ):
        if value is not None:
            details[int(tag)] = _rational(value)
    if tags.serial is not None:
        details[int(ExifTags.Base.BodySerialNumber)] = tags.serial
    if tags.sensor_width_mm and tags.image_width_px:
        per_mm = tags.image_width_px / tags.sensor_width_mm
        details[int(ExifTags.Base.FocalPlaneXResolution)] = _rational(per_mm)
        details[int(ExifTags.Base.FocalPlaneResolutionUnit)] = 4
    if tags.focal_35mm is not None:
        details[int(ExifTags.Base.FocalLengthIn35mmFilm)] = round(tags.focal_35mm)
    clock = tags.clock or (tags.time_utc and tags.time_utc.replace(tzinfo=None))
    if clock:
        details[int(ExifTags.Base.DateTimeOriginal)] = clock.strftime("%Y:%m:%d %H:%M:%S")
        details[int(ExifTags.Base.SubsecTimeOriginal)] = f"{clock.microsecond:06d}"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    if tags.lat_deg is not None and tags.lon_deg is not None:
        gps.update({1: "N" if tags.lat_deg >= 0 else "S", 2: _dms(tags.lat_deg)})
        gps.update({3: "E" if tags.lon_deg >= 0 else "W", 4: _dms(tags.lon_deg), 0: b"\x02\x03\x00\x00"})
    if tags.alt_amsl_m is not None:
        below = tags.alt_amsl_m < 0
        gps.update({5: b"\x01" if below else b"\x00", 6: _rational(abs(tags.alt_amsl_m), 1000)})
    if tags.time_utc:
        t = tags.time_utc
        seconds = _rational(t.second + t.microsecond / 1e6)
        gps.update({7: (IFDRational(t.hour), IFDRational(t.minute), seconds), 29: t.strftime("%Y:%m:%d")})
    return exif.tobytes().removeprefix(_EXIF_HEADER)


_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EMPTY_XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'


def _xmp_bytes(tags: PhotoTags, old_xmp: bytes | str) -> bytes:
    values = {
        "AbsoluteAltitude": tags.alt_amsl_m,
        "RelativeAltitude": tags.height_rel_m,
        "GpsLatitude": tags.lat_deg,
        "GpsLongitude": tags.lon_deg,
        "GimbalYawDegree": tags.yaw_deg,
        "GimbalPitchDegree": tags.pitch_deg,
        "GimbalRollDegree": tags.roll_deg,
        "FlightYawDegree": tags.flight_yaw_deg,
        "FlightPitchDegree": tags.flight_pitch_deg,
        "FlightRollDegree": tags.flight_roll_deg,
        "RtkStdLon": tags.position_sigma_h_m,
        "RtkStdLat": tags.position_sigma_h_m,
        "RtkStdHgt": tags.position_sigma_v_m,
    }
    root = xmp_root(old_xmp)
    if root is None:
        root = ElementTree.fromstring(_EMPTY_XMP)
    descriptions = root.findall(f".//{{{_RDF}}}Description")
    for key, value in values.items():
        if value is None:
            continue
        name = f"{{{DJI_NAMESPACE}}}{key}"
        text = f"{value:+.{9 if key.startswith('Gps') else 4}f}"
        element = root.find(f".//{name}")
        holder = next((d for d in descriptions if name in d.attrib), None)
        if element is not None:
            element.text = text
        elif holder is not None:
            holder.set(name, text)
        else:
            if not descriptions:
                rdf = root.find(f".//{{{_RDF}}}RDF")
                parent = rdf if rdf is not None else root
                descriptions = [SubElement(parent, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": ""})]
            descriptions[0].set(name, text)
    register_namespace("x", "adobe:ns:meta/")
    register_namespace("rdf", _RDF)
    register_namespace("drone-dji", DJI_NAMESPACE)
    head, tail = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>', b'<?xpacket end="w"?>'
    return head + serialise(root, encoding="utf-8") + tail


def _app1(payload: bytes) -> bytes:
    if len(payload) > 65533:
        raise PhotoTagError("tags are too long for a JPEG segment (64 KiB)")
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def _segments_without_tags(jpeg: bytes) -> bytes:
    """All of a JPEG behind its start marker, less the EXIF and XMP segments."""
    if jpeg[:2] != b"\xff\xd8":
        raise PhotoTagError("not a JPEG: it does not begin with FF D8")
    out = io.BytesIO()
    at = 2
    while at + 4 <= len(jpeg):
        if jpeg[at] != 0xFF:
            raise PhotoTagError(f"not a whole JPEG: no marker at byte {at}")
        marker = jpeg[at + 1]
        if marker == 0xDA:  # start of scan: the pixels, to the end
            out.write(jpeg[at:])
            return out.getvalue()
        length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        payload = jpeg[at + 4 : at + 2 + length]
        if not (marker == 0xE1 and payload.startswith((_EXIF_HEADER, _XMP_HEADER))):
            out.write(jpeg[at : at + 2 + length])
        at += 2 + length
    raise PhotoTagError("not a whole JPEG: the picture itself is missing")
