"""missionctl cameras: the cameras that plans know."""

from __future__ import annotations

import typer

from missionctl.cli.output import JsonFlag, give


def register(app: typer.Typer) -> None:
    app.command("cameras")(cameras)


def cameras(as_json: JsonFlag = False) -> None:
    """List the cameras that --camera knows."""
    from plans.cameras import camera_entries

    entries = sorted(camera_entries(), key=lambda entry: entry.camera.name)
    known = [entry.camera for entry in entries]
    rows = [
        {
            "name": c.name,
            "image_px": [c.image_width_px, c.image_height_px],
            "sensor_mm": [c.sensor_width_mm, c.sensor_height_mm],
            "focal_mm": c.focal_mm,
            "min_trigger_interval_s": c.min_trigger_interval_s,
            "gsd_cm_at_100_m": round(100 * c.gsd_m(100), 2),
            "exif_models": list(entry.exif_models),
            "source": entry.source,
        }
        for entry, c in zip(entries, known, strict=True)
    ]
    text = "\n".join(
        f"{c.name:<32} {c.image_width_px:>5} x {c.image_height_px:<5} {100 * c.gsd_m(100):5.2f} cm at 100 m, "
        f"a photo each {c.min_trigger_interval_s:g} s"
        for c in known
    )
    give({"cameras": rows}, as_json, text)
