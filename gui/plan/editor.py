"""Holds the draft of a mission: undo, keeping on disk, lanes while a hand drags, the plan when it rests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from shapely import MultiLineString

from gui.history import History
from gui.snapshot import Snapshot
from gui.workers import Workers
from missionctl.services.plan_draft import PlanDraft, draft_of, keep_draft, read_draft, with_zones_of
from missionctl.services.plan_preview import PlanPreview, sketch_lanes
from missionctl.services.plan_worker import PlanWorker
from missionctl.services.side_process import Done
from missionctl.workspace import Workspace
from plans.errors import MissionError

REST_MS = 150
"""So long nothing changes before the whole plan is made."""
KEEP_MS = 300
"""So long after an edit it is on disk."""
_NOTHING = -1
"""No ticket is waited for."""


class PlanEditor(QObject):
    """State of the Plan workspace. Edits come in as whole drafts; what changed goes out as signals."""

    draft_changed = pyqtSignal(object)  # PlanDraft
    sketch_changed = pyqtSignal(object)  # MultiLineString in lon/lat
    preview_changed = pyqtSignal(object)  # PlanPreview, or None while there is none
    fault_changed = pyqtSignal(str)  # why there is no plan of this draft; empty when there is
    trouble = pyqtSignal(str)  # a line for the bar
    _planned = pyqtSignal(object)
    _sketched = pyqtSignal(object)
    _kept = pyqtSignal(str)

    def __init__(self, folder: Path, parent: QObject | None = None):
        super().__init__(parent)
        self._workspace = Workspace(folder)
        self._worker = PlanWorker(self._planned.emit)
        self._threads = Workers(1, "sketch")
        self._disk = Workers(1, "draft")
        self.preview: PlanPreview | None = None
        self.restored = False
        self._of_folder = PlanDraft()
        self._untouched = True
        self._history = History(self._begin())
        self._asked = _NOTHING
        self._saving: PlanDraft | None = None
        self._sketching, self._sketch_again = False, False
        self._planned.connect(self._on_planned)
        self._sketched.connect(self._on_sketched)
        self._kept.connect(self.trouble)
        self._rest, self._keep = _timer(self, REST_MS, self._plan), _timer(self, KEEP_MS, self._keep_now)

    def _begin(self) -> PlanDraft:
        """What was being drawn when the program ended, or the mission's zones."""
        try:
            kept = read_draft(self._workspace)
        except MissionError as fault:
            QTimer.singleShot(0, lambda line=str(fault): self.trouble.emit(line))
            kept = None
        if kept is None:
            return PlanDraft()
        self._untouched = False
        self.restored = not kept.saved
        return kept

    # ------------------------------------------------------------------ what is drawn

    @property
    def draft(self) -> PlanDraft:
        """The draft as it is."""
        return self._history.now

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._history.past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to take again."""
        return bool(self._history.future)

    @property
    def busy(self) -> bool:
        """Whether a plan is still to come."""
        awaited = (
            self._asked != _NOTHING or self._saving is not None
        )  # the process may be done, its word not here
        return self._rest.isActive() or awaited or self._sketching

    def edit(self, draft: PlanDraft) -> None:
        """Another draft, as one step to undo."""
        self._become(self._history.changed(draft))

    def undo(self) -> None:
        """Take the last step back."""
        self._become(self._history.undone())

    def redo(self) -> None:
        """Take it again."""
        self._become(self._history.redone())

    @property
    def untouched(self) -> bool:
        """Whether nobody has drawn anything: what is seen is the mission's own."""
        return self._untouched

    def follow(self, snapshot: Snapshot) -> None:
        """Take up what the mission folder has now: all of it while nothing is drawn, later the zones that
        somebody else has added."""
        self._of_folder = draft_of(snapshot.config, snapshot.features["zones"], snapshot.features["plans"])
        before = self.draft
        if self._untouched:
            self._history = History(self._of_folder)
        else:
            self._history = self._history.mapped(lambda d: with_zones_of(d, snapshot.features["zones"]))
        if self.draft.areas != before.areas or self.draft.wishes != before.wishes:
            self.draft_changed.emit(self.draft)

    def start_over(self) -> None:
        """Drop what is drawn for the mission's own zones; one step to undo."""
        self.restored = False
        self.edit(self._of_folder)

    def drag(self, draft: PlanDraft) -> None:
        """A draft that the hand is still changing: only lanes are drawn, nothing is kept."""
        self._sketch(draft)

    def refresh(self) -> None:
        """Plan what is drawn and not planned yet."""
        if self.preview is None and self.draft.zones and not self.busy:
            self._rest.start()

    def _become(self, history: History[PlanDraft]) -> None:
        if history is self._history:
            return
        self._untouched = False
        self._history = history
        self._keep.start()
        self.draft_changed.emit(self.draft)
        self._sketch(self.draft)
        self._rest.start()

    # ------------------------------------------------------------------ lanes at once

    def _sketch(self, draft: PlanDraft) -> None:
        self._to_sketch = draft
        if self._sketching:
            self._sketch_again = True
            return
        self._sketching = True
        angle = draft.wishes.angle_deg
        if angle is None:
            angle = self.preview.angle_deg if self.preview else 0.0
        self._threads.run(self._sketched.emit, _lanes, draft, self._workspace, angle)

    def _on_sketched(self, lanes: MultiLineString | None) -> None:
        self._sketching = False
        if lanes is not None:
            self.sketch_changed.emit(lanes)
        if self._sketch_again:
            self._sketch_again = False
            self._sketch(self._to_sketch)

    # ------------------------------------------------------------------ the whole plan

    def _plan(self) -> None:
        if not self.draft.zones:
            self._asked = _NOTHING
            self._show(None, "")
            return
        self._asked = self._worker.preview(self.draft, self._workspace.path)

    def save(self, suffix: str = ".plan") -> None:
        """Make a plan file of the draft in the mission folder."""
        self._saving = self.draft
        self._worker.save(self.draft, self._workspace.path, suffix)

    def _on_planned(self, done: Done) -> None:
        if done.lasting and not done.fault:
            if self._saving is not None:
                name = done.result.name
                saved = self._saving
                self._history = self._history.mapped(lambda d: replace(d, saved=name) if d == saved else d)
                self.restored = False
                self._keep_now()
            self._saving = None
            self.draft_changed.emit(self.draft)
        elif done.lasting:
            self._saving = None
            self.trouble.emit(done.fault)
        elif done.ticket == self._asked:
            self._asked = _NOTHING
            self._show(done.result, done.fault)

    def _show(self, preview: PlanPreview | None, fault: str) -> None:
        self.preview = preview
        self.preview_changed.emit(preview)
        self.fault_changed.emit(fault)

    # ------------------------------------------------------------------ on disk

    def _keep_now(self) -> None:
        self._keep.stop()
        self._disk.run(self._say, _kept, self._workspace, self.draft)

    def _say(self, line: str) -> None:
        if line:
            self._kept.emit(line)

    def close(self) -> None:
        """Keep what is drawn and end what runs; a plan file under way is waited for."""
        if self._keep.isActive():
            self._keep_now()
        self._rest.stop()
        self._worker.close()
        self._threads.close()
        self._disk.finish()


def _timer(owner: QObject, after_ms: int, act: object) -> QTimer:
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(after_ms)
    timer.timeout.connect(act)
    return timer


def _lanes(draft: PlanDraft, workspace: Workspace, angle_deg: float) -> MultiLineString | None:
    """Lanes of a draft, None where it has none (the whole plan then says why). Runs in a thread."""
    try:
        return sketch_lanes(draft, workspace, angle_deg)
    except MissionError:
        return None


def _kept(workspace: Workspace, draft: PlanDraft) -> str:
    """Put a draft on disk; a line when it cannot be. Runs in a thread."""
    try:
        keep_draft(workspace, draft)
    except MissionError as fault:
        return str(fault)
    return ""
