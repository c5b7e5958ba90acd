"""The safety of a flight in three calls: the plan before it is uploaded, the vehicle before it is armed, and
a watch over battery, link and traffic while it flies.

    report = check_before_upload(mission, settings)              # raises PlanFaultsError
    checklist = await check_before_arming(vehicle, mission, report, settings, folder=out_dir,
                                          differences=differences)  # raises ChecklistError
    async with watched(vehicle, mission, settings, on_alert=tell) as watch:
        ...                                                      # watch.alerts is what is the matter now

`on_alert(alert, begins)` is called on the station's loop: once when something begins or gets worse, and once
(`begins` False) when it is over.
"""

from __future__ import annotations
