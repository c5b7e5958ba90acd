"""Plan: the areas that are drawn, what is asked for, and the plan that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.fields import NumberField, place_of
from gui.icons import icon, icon_size
from gui.plan.profile import ProfileView
from gui.snapshot import Snapshot
from gui.theme import Theme
from gui.widgets import Figure, FigureGrid, Panel, clear_layout, empty, label, row_of, section
from gui.words import Words
from missionctl.services.plan_draft import NO_FLY, DraftArea, PlanDraft
from missionctl.services.plan_preview import PlanPreview
from plans.frames import LocalFrame

_MOST_NOTES = 6


class PlanPanel(Panel):
    """Shows a draft and its plan; says what a person wants changed."""

    wish = pyqtSignal(str, object)  # a field of Wishes and its value
    area_chosen = pyqtSignal(int)
    area_named = pyqtSignal(int, str)
    area_priority = pyqtSignal(int, float)
    area_deleted = pyqtSignal(int)
    save_wanted = pyqtSignal()
    drop_wanted = pyqtSignal()
    heat_toggled = pyqtSignal(bool)
    place_given = pyqtSignal(float, float)  # latitude and longitude

    def __init__(self, theme: Theme, words: Words):
        super().__init__(theme)
        self._words = words
        self._frame: LocalFrame | None = None
        self._cameras: tuple[str, ...] = ()
        self._rows: dict[int, _AreaRow] = {}
        self._preview: PlanPreview | None = None
        self._heat = False
        w = words
        self.restored = _Restored(theme, w)
        self.restored.dropped.connect(self.drop_wanted)
        self.state = label("", "soft", wrap=True)
        self.save = QPushButton(w("save_plan"), objectName="primary")
        self.save.clicked.connect(lambda _checked: self.save_wanted.emit())
        self.place = _Place(theme, w)
        self.place.given.connect(self.place_given)
        self._areas = QVBoxLayout()
        self._areas.setSpacing(4)
        self._figures, self._result = QVBoxLayout(), QVBoxLayout()
        self._result.setSpacing(theme.sizes.pad)
        self.fill(
            [
                self.restored,
                self.place,
                _column(label(w("plan_kicker"), "kicker"), self.save, self.state),
                section(w("areas"), _holding(self._areas)),
                _holding(self._figures),
                section(w("wishes"), self._wishes()),
                _holding(self._result),
            ]
        )
        self.restored.hide()
        self.place.hide()

    # ------------------------------------------------------------------ what is asked for

    def _wishes(self) -> QWidget:
        w, theme = self._words, self.theme
        self.camera = QComboBox()
        self.camera.setAccessibleName(w("camera"))
        self.camera.setMinimumHeight(theme.sizes.target)
        self.camera.activated.connect(lambda n: self.wish.emit("camera", self.camera.itemText(n)))
        auto, pixel, height = w("automatic"), w("by_gsd"), w("by_height")
        self.fields = {
            "gsd_cm": NumberField(
                w("wish_gsd"),
                w("unit_cm"),
                theme,
                least=0.2,
                most=100,
                step=0.5,
                decimals=2,
                automatic=height,
            ),
            "height_m": NumberField(
                w("wish_height"), w("unit_m"), theme, least=10, most=1000, step=5, decimals=1, automatic=pixel
            ),
            "overlap_percent": NumberField(w("wish_overlap"), "%", theme, least=0, most=95, step=5),
            "sidelap_percent": NumberField(w("wish_sidelap"), "%", theme, least=0, most=95, step=5),
            "speed_mps": NumberField(
                w("wish_speed"), w("unit_mps"), theme, least=1, most=40, step=1, decimals=1, automatic=auto
            ),
            "angle_deg": NumberField(
                w("wish_angle"), "°", theme, least=0, most=360, step=5, decimals=1, automatic=auto
            ),
            "clearance_m": NumberField(
                w("wish_clearance"), w("unit_m"), theme, least=0, most=500, step=5, decimals=1
            ),
            "drones": NumberField(w("wish_drones"), "", theme, least=1, most=50),
            "endurance_min": NumberField(
                w("wish_endurance"), w("unit_min"), theme, least=1, most=240, step=1, decimals=1
            ),
        }
        for name, field in self.fields.items():
            field.changed.connect(lambda value, name=name: self._on_wish(name, value))
        return _column(self.camera, *self.fields.values())

    def _on_wish(self, name: str, value: float | None) -> None:
        self.wish.emit(name, int(value) if name == "drones" and value is not None else value)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """What the folder has besides the draft: its frame."""
        self._frame = snapshot.frame

    def show_cameras(self, names: Sequence[str]) -> None:
        """The cameras to choose from."""
        if tuple(names) != self._cameras:
            self._cameras = tuple(names)
            with QSignalBlocker(self.camera):
                self.camera.clear()
                self.camera.addItem(self._words("choose_camera"))
                self.camera.addItems(list(names))

    # ------------------------------------------------------------------ what is drawn

    def show_draft(self, draft: PlanDraft, selected: int | None) -> None:
        """The areas and wishes of a draft."""
        wishes = draft.wishes
        with QSignalBlocker(self.camera):
            self.camera.setCurrentIndex(max(self.camera.findText(wishes.camera), 0) if wishes.camera else 0)
        for name, field in self.fields.items():
            field.set_value(getattr(wishes, name))
        if wishes.height_m is not None:
            self.fields["gsd_cm"].set_value(None)
        self._show_areas(draft, selected)
        saved = draft.saved
        self.state.setText(self._words("saved_as", file=saved) if saved else self._words("not_saved"))
        self.state.setVisible(bool(draft.areas))
        self.save.setEnabled(bool(draft.zones) and not saved)

    def _show_areas(self, draft: PlanDraft, selected: int | None) -> None:
        if [a.number for a in draft.areas] != list(self._rows):
            clear_layout(self._areas)
            self._rows = {}
            for area in draft.areas:
                row = _AreaRow(area.number, self.theme, self._words)
                row.chosen.connect(self.area_chosen)
                row.named.connect(self.area_named)
                row.prior.connect(self.area_priority)
                row.deleted.connect(self.area_deleted)
                self._areas.addWidget(row)
                self._rows[area.number] = row
            if not draft.areas:
                self._areas.addWidget(empty(self._words("no_areas"), self._words("no_areas_how")))
        for area in draft.areas:
            size = self._area_text(area)
            self._rows[area.number].show_area(area, size, area.number == selected)

    def _area_text(self, area: DraftArea) -> str:
        frame = self._frame
        if frame is None:
            lon, lat = area.polygon.centroid.coords[0]
            frame = LocalFrame(lat, lon)
        return self._words.area(frame.geometry_to_local(area.polygon).area)

    def show_place_asked(self, asked: bool) -> None:
        """Whether it is not known where the mission is."""
        self.place.setVisible(asked)

    def show_restored(self, restored: bool) -> None:
        """Whether the drawing is one that the program's end broke off."""
        self.restored.setVisible(restored)

    # ------------------------------------------------------------------ what comes of it

    def show_preview(self, preview: PlanPreview | None, fault: str) -> None:
        """The plan of the draft, or why there is none."""
        if preview is self._preview and preview is not None:
            return
        self._preview = preview
        clear_layout(self._figures)
        clear_layout(self._result)
        w = self._words
        if fault:
            frame = QFrame(objectName="alert_warn")
            QVBoxLayout(frame).addWidget(label(fault, "", wrap=True))
            self._figures.addWidget(frame)
        if preview is None:
            return
        self._figures.addWidget(section(w("result"), FigureGrid(plan_figures(preview.report, w), self.theme)))
        heat = QCheckBox(w("show_views"))
        heat.setMinimumHeight(self.theme.sizes.target)
        heat.setChecked(self._heat)
        heat.toggled.connect(self._on_heat)
        self._figures.addWidget(heat)
        self._show_sorties(preview.report)
        if preview.sorties and preview.sorties[0].profile is not None:
            self.profile = ProfileView(self.theme, w)
            self.profile.show_profile(preview.sorties[0].profile, 0)
            self._result.addWidget(section(w("profile"), self.profile))
        notes = [str(note) for note in preview.report.get("notes", ())][:_MOST_NOTES]
        if notes:
            self._result.addWidget(section(w("notes"), *(label(note, "soft", wrap=True) for note in notes)))

    def show_newest(self, name: str, report: Mapping[str, Any]) -> None:
        """The mission's newest plan, while nobody draws."""
        if self._preview is not None:
            return
        clear_layout(self._figures)
        clear_layout(self._result)
        w = self._words
        self._figures.addWidget(
            section(w("newest_plan", name=name), FigureGrid(plan_figures(report, w), self.theme))
        )
        self._show_sorties(report)

    def _show_sorties(self, report: Mapping[str, Any]) -> None:
        sorties = report.get("sorties", [])
        if sorties:
            rows = [self._sortie(n, s) for n, s in enumerate(sorties)]
            self._result.addWidget(section(self._words("sorties"), *rows))

    def _on_heat(self, on: bool) -> None:
        self._heat = on
        self.heat_toggled.emit(on)

    def _sortie(self, number: int, sortie: Mapping[str, Any]) -> QWidget:
        w = self._words
        line = w(
            "sortie_line",
            photos=sortie["photos"],
            length=w.length(sortie["length_m"]),
            time=w.duration(sortie["duration_s"]),
        )
        share = sortie.get("battery_share")
        battery = "" if share is None else "\n" + w("sortie_battery", p=f"{100 * share:.0f}")
        swatch = QFrame()
        swatch.setFixedSize(16, 16)
        colour = self.theme.sortie(number).name()
        swatch.setStyleSheet(
            f"background: {colour}; border: 2px solid {self.theme.colours.casing}; border-radius: 8px;"
        )
        text = _column(label(w("sortie", n=number + 1), "heading"), label(f"{line}{battery}", "soft"), gap=0)
        return row_of(swatch, text, spacing=12)


class _AreaRow(QFrame):
    """One area: its name, its size; in hand also its priority and the way to remove it."""

    chosen = pyqtSignal(int)
    named = pyqtSignal(int, str)
    prior = pyqtSignal(int, float)
    deleted = pyqtSignal(int)

    def __init__(self, number: int, theme: Theme, words: Words):
        super().__init__(objectName="area")
        self._number, self._theme, self._words = number, theme, words
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 2, 4, 2)
        layout.setSpacing(0)
        head = QHBoxLayout()
        self._dot = QFrame()
        self._dot.setFixedSize(14, 14)
        self.name = QLineEdit(objectName="flat")
        self.name.setAccessibleName(words("area_name"))
        self.name.editingFinished.connect(self._rename)
        self.size_text = label("", "soft")
        self.remove = QToolButton(objectName="plain")
        self.remove.setFixedSize(theme.sizes.target, theme.sizes.target)
        self.remove.setIcon(icon("close", theme.colour("ink_soft")))
        self.remove.setIconSize(icon_size(18))
        self.remove.setToolTip(words("tool_delete"))
        self.remove.setAccessibleName(words("tool_delete"))
        self.remove.clicked.connect(lambda _checked: self.deleted.emit(number))
        for widget, stretch in ((self._dot, 0), (self.name, 1), (self.size_text, 0), (self.remove, 0)):
            head.addWidget(widget, stretch)
        layout.addLayout(head)
        self.priority = NumberField(words("priority_name"), "", theme, least=0.1, most=100, decimals=1)
        self.priority.changed.connect(lambda value: self.prior.emit(number, float(value)))
        layout.addWidget(self.priority)

    def show_area(self, area: DraftArea, size: str, selected: bool) -> None:
        """Show it as it is."""
        if not self.name.hasFocus():
            self.name.setText(area.name)
        self.size_text.setText(size)
        colour = self._theme.colour("no_fly" if area.kind == NO_FLY else "zone").name()
        self._dot.setStyleSheet(
            f"background: {colour}; border: 1px solid {self._theme.colours.ink}; border-radius: 3px;"
        )
        self.priority.set_value(area.priority)
        self.priority.setVisible(selected and area.kind != NO_FLY)
        self.remove.setVisible(selected)
        self.setProperty("chosen", selected)
        style = self.style()
        if style is not None:
            style.unpolish(self)
            style.polish(self)

    def _rename(self) -> None:
        self.named.emit(self._number, self.name.text().strip())

    def mousePressEvent(self, event: object) -> None:  # noqa: N802
        self.chosen.emit(self._number)


class _Place(QFrame):
    """Asks where the mission is, while its map has no place."""

    given = pyqtSignal(float, float)

    def __init__(self, theme: Theme, words: Words):
        super().__init__(objectName="softbox")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.addWidget(label(words("place_ask"), "heading"))
        self._how = label(words("place_how"), "soft", wrap=True)
        self._words = words
        layout.addWidget(self._how)
        self.edit = QLineEdit()
        self.edit.setAccessibleName(words("place_how"))
        self.edit.returnPressed.connect(self._go)
        self.go = QPushButton(words("place_go"))
        self.go.clicked.connect(lambda _checked: self._go())
        layout.addWidget(self.edit)
        layout.addWidget(self.go)

    def _go(self) -> None:
        place = place_of(self.edit.text())
        self._how.setText(self._words("place_how" if place else "place_wrong"))
        if place is not None:
            self.given.emit(*place)


class _Restored(QFrame):
    """A drawing that was not saved as a plan when the program ended."""

    dropped = pyqtSignal()

    def __init__(self, theme: Theme, words: Words):
        super().__init__(objectName="alert_warn")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 14, 12)
        layout.addWidget(label(words("restored"), "heading", wrap=True))
        layout.addWidget(label(words("restored_how"), "soft", wrap=True))
        self.keep, self.drop = QPushButton(words("restored_keep")), QPushButton(words("restored_drop"))
        self.keep.clicked.connect(lambda _checked: self.hide())
        self.drop.clicked.connect(lambda _checked: self.dropped.emit())
        layout.addWidget(row_of(self.keep, self.drop, spacing=theme.sizes.gap))


def plan_figures(report: Mapping[str, Any], w: Words) -> list[QWidget]:
    """The figures that a plan's report has."""
    figures: list[QWidget] = []
    for key in ("photos", "lanes"):
        if key in report:
            figures.append(Figure(f"{report[key]}", w(key)))
    if "duration_s" in report:
        figures.append(Figure(w.duration(report["duration_s"]), w("flight_time")))
    if "length_m" in report:
        figures.append(Figure(w.length(report["length_m"]), w("flown_length")))
    if "gsd_cm" in report:
        figures.append(Figure(w("cm", v=f"{report['gsd_cm']['mean']:.1f}"), w("gsd")))
    if "coverage" in report:
        coverage = report["coverage"]
        figures.append(Figure(_percent(coverage["share"]), w("coverage", k=coverage["k"])))
    if "min_clearance_m" in report:
        figures.append(Figure(w("m", v=f"{report['min_clearance_m']:.0f}"), w("clearance")))
    if "makespan_s" in report and len(report.get("sorties", ())) > 1:
        figures.append(Figure(w.duration(report["makespan_s"]), w("makespan")))
    return figures


def _percent(share: float) -> str:
    """Never rounds up to a whole that is not there."""
    percent = share * 100
    return "100 %" if share >= 1 else f"{min(percent, 99.9):.1f} %"


def _column(*widgets: QWidget, gap: int = 8) -> QWidget:
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(gap)
    for widget in widgets:
        layout.addWidget(widget)
    return box


def _holding(layout: QVBoxLayout) -> QWidget:
    box = QWidget()
    layout.setContentsMargins(0, 0, 0, 0)
    box.setLayout(layout)
    return box
