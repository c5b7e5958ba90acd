"""Resuming a survey: how long from a thousand photos of a square kilometre to sorties for what they lack."""

import datetime as dt
import io

import pytest
from PIL import Image
from shapely import box

from imagery.photo_tags import PhotoTags, embed_tags
from missionctl.services.resuming import ResumeRequest, plan_rest
from plans.cameras import find_camera
from plans.formats import write_plan
from plans.frames import GeoPoint, LocalFrame
from plans.survey import SurveySettings, plan_survey
from plans.zones import Zone

FRAME = LocalFrame(30.0, 104.0)
ZONE = Zone("km2", FRAME.geometry_to_geo(box(0, 0, 1000, 1000)))
START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    """A plan of a square kilometre at 2.4 cm, and 1,000 of its photos, with tags but hardly any pixels."""
    folder = tmp_path_factory.mktemp("flown")
    camera = find_camera("DJI Mavic 3E")
    plan = plan_survey([ZONE], camera, SurveySettings(gsd_m=0.024), launches=(GeoPoint(29.9998, 103.9998),))
    write_plan(plan, folder / "a.plan")
    out = io.BytesIO()
    Image.new("RGB", (132, 99)).save(out, "JPEG")
    (folder / "photos").mkdir()
    for shot in plan.shots[:1000]:
        tags = PhotoTags(
            model="M3E", focal_mm=12.29, time_utc=START + dt.timedelta(seconds=2 * shot.index),
            lat_deg=shot.lat_deg, lon_deg=shot.lon_deg, alt_amsl_m=500.0 + shot.pose.up_m,
            yaw_deg=shot.pose.yaw_deg, pitch_deg=-90.0, roll_deg=0.0,
        )  # fmt: skip
        (folder / "photos" / f"{shot.index:04d}.JPG").write_bytes(embed_tags(out.getvalue(), tags))
    return folder, len(plan.shots)


@pytest.mark.parametrize("camera", [None, "DJI Mini 3"], ids=["missing shots", "another drone"])
def test_a_thousand_photos_over_a_square_kilometre(camera, flown, tmp_path, benchmark, tell):
    folder, planned = flown
    request = ResumeRequest(folder / "a.plan", tmp_path / "b.plan", (folder / "photos",), camera=camera)
    result = benchmark.pedantic(plan_rest, args=(request,), rounds=3, warmup_rounds=1)
    seen = result["coverage"]
    tell(
        f"resume ({result['mode']}): 1,000 of {planned} photos, {seen['share_before']:.1%} seen by "
        f"{seen['views']}, then {seen['share_after']:.2%} with {result['photos_to_take']} photos in "
        f"{result['flights']} sorties; median {benchmark.stats.stats.median:.1f} s"
    )
    assert seen["share_after"] >= 0.999
