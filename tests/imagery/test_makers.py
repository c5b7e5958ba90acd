"""Photos of drones of several makers, written as these write them; raw photos; files of positions."""

import io
import shutil
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from imagery.errors import PhotoError
from imagery.features import decode
from imagery.geo_file import read_geo_file
from imagery.photo_tags import PhotoTagError, PhotoTags, embed_tags, read_tags
from imagery.photos import camera_of, list_photo_files, read_block
from plans.frames import Pose, gimbal_angles

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def packet(inside):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}>{inside}</rdf:RDF></x:xmpmeta>'.encode()


def jpeg(width=64, height=48):
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def write(path, xmp=b"", base=None, details=None, gps=None, size=(64, 48)):
    """A JPEG as a camera would write it: Pillow's EXIF, the maker's XMP."""
    exif = Image.Exif()
    exif.update(base or {})
    exif.get_ifd(0x8769).update(details or {})
    exif.get_ifd(0x8825).update(gps or {})
    Image.open(io.BytesIO(jpeg(*size))).save(path, "JPEG", exif=exif.tobytes(), xmp=xmp)
    return path


GPS = {
    1: "S", 2: (33.0, 30.0, 0.0), 3: "W", 4: (70.0, 15.0, 36.0), 5: b"\x00", 6: 812.5,
}  # fmt: skip

DJI_RTK = packet("""
<rdf:Description rdf:about="DJI Meta Data" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
 drone-dji:GpsStatus="RTK" drone-dji:AltitudeType="RtkAlt"
 drone-dji:GpsLatitude="+22.775671120" drone-dji:GpsLongitude="+114.067110050"
 drone-dji:AbsoluteAltitude="+141.328" drone-dji:RelativeAltitude="+80.012"
 drone-dji:GimbalRollDegree="+180.00" drone-dji:GimbalYawDegree="-171.30"
 drone-dji:GimbalPitchDegree="-89.90" drone-dji:FlightRollDegree="+1.10" drone-dji:FlightYawDegree="-172.00"
 drone-dji:FlightPitchDegree="-6.20" drone-dji:RtkFlag="50" drone-dji:RtkStdLon="0.01112"
 drone-dji:RtkStdLat="0.01346" drone-dji:RtkStdHgt="0.02584" drone-dji:SelfData="MISSION 7"/>""")
AUTEL = packet("""
<rdf:Description rdf:about="Autel Robotics Meta Data" xmlns:drone="http://www.autelrobotics.com/drone/1.0/"
 drone:AbsoluteAltitude="+1250.31" drone:RelativeAltitude="+60.50" drone:GpsLatitude="38.500000"
 drone:GpsLongtitude="-105.250000" drone:GimbalRollDegree="+0.00" drone:GimbalYawDegree="+12.50"
 drone:GimbalPitchDegree="-90.00" drone:FlightYawDegree="+13.00"/>""")
AUTEL_OLD = packet("""
<rdf:Description rdf:about="AUTEL META DATA" xmlns:Camera="http://pix4d.com/camera/1.0/"
 Camera:Yaw="12.5" Camera:Pitch="90" Camera:Roll="0"/>""")
SKYDIO = packet("""
<rdf:Description rdf:about="Skydio Metadata"
 xmlns:drone-skydio="https://www.skydio.com/drone-skydio/1.0/" drone-skydio:Latitude="37.531500"
 drone-skydio:Longitude="-122.330000" drone-skydio:AbsoluteAltitude="54.25"
 drone-skydio:RelativeAltitude="40.5"><drone-skydio:CameraOrientationFLU drone-skydio:Roll="9"
 drone-skydio:Pitch="9" drone-skydio:Yaw="9"/><drone-skydio:CameraOrientationNED drone-skydio:Roll="0.25"
 drone-skydio:Pitch="-88.5" drone-skydio:Yaw="146.5"/></rdf:Description>""")
SKYDIO_NEW = packet("""
<rdf:Description xmlns:drone-skydio="https://www.skydio.com/drone-skydio/1.0/">
<drone-skydio:Latitude>37.531500</drone-skydio:Latitude>
<drone-skydio:Longitude>-122.330000</drone-skydio:Longitude>
<drone-skydio:AbsoluteAltitude>54.25</drone-skydio:AbsoluteAltitude>
<drone-skydio:RelativeAltitude>40.5</drone-skydio:RelativeAltitude>
<drone-skydio:CameraOrientationNED rdf:parseType="Resource"><drone-skydio:Roll>0.25</drone-skydio:Roll>
<drone-skydio:Pitch>-88.5</drone-skydio:Pitch><drone-skydio:Yaw>146.5</drone-skydio:Yaw>
</drone-skydio:CameraOrientationNED></rdf:Description>""")
PARROT = packet("""
<rdf:Description xmlns:Camera="http://pix4d.com/camera/1.0/"
 xmlns:drone-parrot="http://www.parrot.com/drone-parrot/1.0/">
<Camera:Yaw>176.310745</Camera:Yaw><Camera:Pitch>-78.362686</Camera:Pitch><Camera:Roll>-0.322913</Camera:Roll>
<Camera:AboveGroundAltitude>4275/100</Camera:AboveGroundAltitude>
<Camera:GPSXYAccuracy>1.20</Camera:GPSXYAccuracy><Camera:GPSZAccuracy>2.40</Camera:GPSZAccuracy>
<drone-parrot:CameraRollDegree>-0.322913</drone-parrot:CameraRollDegree>
<drone-parrot:CameraPitchDegree>-78.362686</drone-parrot:CameraPitchDegree>
<drone-parrot:CameraYawDegree>176.310745</drone-parrot:CameraYawDegree>
<drone-parrot:DroneYawDegree>170.5</drone-parrot:DroneYawDegree></rdf:Description>""")
SENSEFLY = packet("""
<rdf:Description xmlns:Camera="http://ns.sensefly.com/Camera/1.0/"
 Camera:Yaw="201.5" Camera:Pitch="7.5" Camera:Roll="-2.25" Camera:GPSXYAccuracy="0.03"/>""")

NO_GPS = (None, None, None)
OWN = (-33.5, -70.26, 812.5)


@pytest.mark.parametrize(
    ("xmp", "place", "above", "attitude", "sigmas"),
    [
        (DJI_RTK, (22.77567112, 114.06711005, 141.328), 80.012, (-171.3, -89.9, 180.0), (0.01346, 0.02584)),
        (AUTEL, (38.5, -105.25, 1250.31), 60.5, (12.5, -90.0, 0.0), (None, None)),
        (AUTEL_OLD, OWN, None, (12.5, -90.0, 0.0), (None, None)),
        (SKYDIO, (37.5315, -122.33, 54.25), 40.5, (146.5, -88.5, 0.25), (None, None)),
        (SKYDIO_NEW, (37.5315, -122.33, 54.25), 40.5, (146.5, -88.5, 0.25), (None, None)),
        (PARROT, OWN, 42.75, (176.310745, -78.362686, -0.322913), (1.2, 2.4)),
        (SENSEFLY, OWN, None, (201.5, -82.5, -2.25), (0.03, None)),
        (b"", OWN, None, (None, None, None), (None, None)),
    ],
    ids=["dji-rtk", "autel", "autel-old", "skydio", "skydio-new", "parrot", "sensefly", "sony"],
)
def test_place_and_attitude_of_each_maker(tmp_path, xmp, place, above, attitude, sigmas):
    tags = read_tags(write(tmp_path / "a.jpg", xmp, gps=GPS))
    assert (tags.lat_deg, tags.lon_deg, tags.alt_amsl_m) == pytest.approx(place)
    assert tags.height_rel_m == (None if above is None else pytest.approx(above))
    read = (tags.yaw_deg, tags.pitch_deg, tags.roll_deg)
    assert read == (attitude if attitude[0] is None else pytest.approx(attitude))
    assert (tags.position_sigma_h_m, tags.position_sigma_v_m) == sigmas


@pytest.mark.parametrize(
    ("details", "focal_px"),
    [
        ({0x920A: 16.0, 0xA20E: 100.0, 0xA210: 4, 0xA002: 800}, 1600.0),  # 8 mm wide, a pixel is 0.01 mm
        ({0x920A: 16.0, 0xA20E: 2540.0, 0xA210: 2, 0xA002: 800}, 1600.0),  # the same in inches
        ({0x920A: 16.0, 0xA20E: 200.0, 0xA210: 4, 0xA002: 1600}, 1600.0),  # photo made smaller afterwards
        ({0xA405: 50}, 50 / 43.2666 * 1000),
        ({0x920A: 16.0}, 26 / 43.2666 * 1000),
    ],
)
def test_the_first_lens_of_a_camera_that_nobody_knows(tmp_path, details, focal_px):
    path = write(tmp_path / "a.jpg", base={0x0110: "Nobody's"}, details=details, size=(800, 600))
    camera, known = camera_of(read_tags(path), path.name)
    assert camera.focal_px == pytest.approx(focal_px, rel=1e-3)
    assert known == (len(details) > 1 or 0xA405 in details)


def test_a_zone_that_gps_time_contradicts_is_not_believed(tmp_path):
    gps = GPS | {7: (4.0, 0.0, 6.0), 29: "2026:07:01"}
    details = {0x9003: "2026:07:01 12:00:05", 0x9011: "+08:00", 0x9291: "500"}
    tags = read_tags(write(tmp_path / "right.jpg", details=details, gps=gps))
    assert tags.time_utc.isoformat() == "2026-07-01T04:00:05.500000+00:00"
    tags = read_tags(write(tmp_path / "wrong.jpg", details=details | {0x9011: "+00:00"}, gps=gps))
    assert tags.time_utc.isoformat() == "2026-07-01T04:00:06+00:00"


def dng(preview, tags=None):
    """A small DNG: a thumbnail without compression, in its SubIFDs raw values and the JPEG preview."""

    def ifd(entries, at, after=0):
        body = struct.pack("<H", len(entries))
        for tag, kind, values in sorted(entries):
            form = {3: "H", 4: "I"}[kind]
            data = struct.pack(f"<{len(values)}{form}", *values).ljust(4, b"\x00")
            assert len(data) == 4, "only what fits into an entry"
            body += struct.pack("<HHI", tag, kind, len(values)) + data
        return body + struct.pack("<I", after)

    thumb, raw = b"\x80" * 192, b"\x11" * 3000
    at_thumb, at_raw = 8, 200
    at_preview = at_raw + len(raw)
    at_list = at_preview + len(preview) + len(preview) % 2
    at_first = at_list + 8
    shape = [(256, 3, [8]), (257, 3, [8]), (258, 3, [8]), (277, 3, [3]), (262, 3, [2])]
    second = ifd([(259, 3, [1]), (273, 4, [at_raw]), (279, 4, [len(raw)])], 0)
    third = ifd([(259, 3, [7]), (273, 4, [at_preview]), (279, 4, [len(preview)])], 0)
    main = [*shape, (259, 3, [1]), (273, 4, [at_thumb]), (279, 4, [192]), (278, 3, [8])]
    first_len = 2 + 12 * (len(main) + 1) + 4
    first = struct.pack("<H", len(main) + 1)
    first = ifd([*main, (330, 4, [0])], 0)
    first = first.replace(struct.pack("<HHII", 330, 4, 1, 0), struct.pack("<HHII", 330, 4, 2, at_list))
    subs = struct.pack("<II", at_first + first_len, at_first + first_len + len(second))
    head = b"II*\x00" + struct.pack("<I", at_first)
    return head + thumb + raw + preview.ljust(at_list - at_preview, b"\x00") + subs + first + second + third


def test_of_a_raw_photo_the_preview_is_used(tmp_path):
    path = tmp_path / "DJI_0001.DNG"
    picture = jpeg(160, 120)
    path.write_bytes(dng(picture))
    tags = read_tags(path)
    assert (tags.image_width_px, tags.image_height_px) == (160, 120)
    assert np.array_equal(decode(path), cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR))
    assert list_photo_files(tmp_path) == [path]
    (tmp_path / "DJI_0001.JPG").write_bytes(picture)
    assert list_photo_files(tmp_path) == [tmp_path / "DJI_0001.JPG"]


@pytest.mark.parametrize("cut", [0, 7, 60, -40, -1])
def test_a_broken_raw_photo_is_named(tmp_path, cut):
    path = tmp_path / "bad.DNG"
    whole = dng(jpeg(160, 120))
    path.write_bytes(whole[:cut])
    with pytest.raises((PhotoTagError, PhotoError), match=r"bad\.DNG"):
        read_tags(path)


def test_a_tiff_of_a_developed_raw_is_read(tmp_path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[0x0110] = "ILCE-7RM4"
    path = tmp_path / "a.tif"
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(path, tiffinfo=info)
    tags = read_tags(path)
    assert (tags.model, tags.image_width_px, tags.image_height_px) == ("ILCE-7RM4", 80, 60)
    assert decode(path).shape == (60, 80, 3)


ODM = """EPSG:32648
a.JPG 500000.0 3319871.2 545.5 90 -88 1.5 0.02 0.04
b 2.JPG 500010.0 3319871.2 545.5
"""
PIX4D = """a.JPG,30.0098,105.0,545.5,0.0,0.0,-90.0,0.02,0.04
b 2.JPG,30.0098,105.0001037,545.5,0,0,0,0.02,0.04
"""
PIX4D_HEADED = (
    "imagename,latitude [decimal degrees],longitude [decimal degrees],altitude [meter],"
    "accuracy horizontal [meter],accuracy vertical [meter]\n"
    "a.JPG,30.0098,105.0,545.5,0.02,0.04\n"
)
OWN_CSV = """photo,lat_deg,lon_deg,alt_amsl_m,yaw_deg,pitch_deg,roll_deg,time_utc,event,confidence,certainty
a.JPG,30.00980000,105.00000000,545.500,90.00,-88.00,1.50,2026-07-01T04:00:00+00:00,0,0.9990,sure
"""
AGISOFT = "#Label,X/Longitude,Y/Latitude,Z/Altitude,Yaw,Pitch,Roll\na.JPG,105.0,30.0098,545.5,90,2,1.5\n"


@pytest.mark.parametrize("text", [ODM, PIX4D, PIX4D_HEADED, OWN_CSV, AGISOFT, AGISOFT.replace(",", ";")])
def test_positions_from_a_file(tmp_path, text):
    path = tmp_path / "geo.txt"
    path.write_text(text)
    geo = read_geo_file(path)
    tags = geo.over("A.jpg", PhotoTags(height_rel_m=45.0, lat_deg=1.0, lon_deg=1.0, position_sigma_h_m=2.0))
    assert (tags.lat_deg, tags.lon_deg, tags.alt_amsl_m) == pytest.approx((30.0098, 105.0, 545.5), abs=5e-4)
    assert tags.height_rel_m is None
    assert tags.position_sigma_h_m in (0.02, None)
    if tags.yaw_deg is not None:
        assert tags.yaw_deg == pytest.approx(90.0)
        assert tags.pitch_deg == pytest.approx(-90.0 if text is PIX4D else -88.0)
    assert geo.over("other.jpg", PhotoTags(lat_deg=1.0)).lat_deg == 1.0


@pytest.mark.parametrize("yaw", [10.0, 200.0])
def test_omega_phi_kappa_is_the_attitude_of_planning(tmp_path, yaw):
    pose = Pose(0, 0, 0, yaw, -86.0, 3.0)
    world_from_cam = pose.camera_from_enu.T @ np.diag([1.0, -1.0, -1.0])
    phi = np.degrees(np.arcsin(world_from_cam[0, 2]))
    omega = np.degrees(np.arctan2(-world_from_cam[1, 2], world_from_cam[2, 2]))
    kappa = np.degrees(np.arctan2(-world_from_cam[0, 1], world_from_cam[0, 0]))
    path = tmp_path / "p.csv"
    path.write_text(f"a.JPG,30,105,545.5,{omega},{phi},{kappa},0.02,0.04\n")
    tags = read_geo_file(path).over("a.jpg", PhotoTags())
    assert (tags.yaw_deg, tags.pitch_deg, tags.roll_deg) == pytest.approx(gimbal_angles(pose.camera_from_enu))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "says nothing"),
        ("one line of prose\n", "line 1"),
        ("EPSG:4326\na.JPG 105.0\n", "line 2"),
        ("photo,lat_deg,lon_deg\na.JPG,thirty,105\n", "'thirty' is no number"),
        ("photo,lat_deg,lon_deg\na.JPG,130,105\n", "line 2"),
    ],
)
def test_a_bad_file_of_positions_is_named_with_the_line(tmp_path, text, says):
    path = tmp_path / "geo.txt"
    path.write_text(text)
    with pytest.raises(PhotoError, match=says) as caught:
        read_geo_file(path)
    assert "geo.txt" in str(caught.value)


def test_photos_without_any_tags_are_placed_by_a_file(known_block, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    lines = ["EPSG:4326"]
    for photo in sorted(known_block.folder.iterdir())[:4]:
        tags = read_tags(photo)
        cv2.imwrite(str(folder / photo.name), cv2.imread(str(photo)))
        lines.append(f"{photo.name} {tags.lon_deg:.9f} {tags.lat_deg:.9f} {tags.alt_amsl_m:.3f}")
    (tmp_path / "geo.txt").write_text("\n".join(lines))
    block, dropped = read_block(list_photo_files(folder), geo=read_geo_file(tmp_path / "geo.txt"))
    assert dropped == ()
    easts = [p.prior.east_m for p in block.photos]
    assert np.allclose(np.diff(easts), 16.0, atol=0.3)
    assert np.allclose([p.prior.up_m for p in block.photos], 545, atol=2.0)
    shutil.rmtree(folder)


def test_a_serial_number_comes_back(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(
        embed_tags(jpeg(), PhotoTags(serial="1581F5FJ", sensor_width_mm=13.2, image_width_px=64))
    )
    assert read_tags(path).serial == "1581F5FJ"
    assert read_tags(path).sensor_width_mm == pytest.approx(13.2, rel=1e-5)
