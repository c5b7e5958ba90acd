"""Plans drafts beside the window: previews, and plan files that are saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from missionctl.services.plan_draft import PlanDraft
from missionctl.services.plan_preview import PlanPreview, preview_plan, save_plan
from missionctl.services.side_process import Done, SideProcess, serve
from missionctl.workspace import Workspace


@dataclass(frozen=True)
class PlanWish:
    """A draft to plan. `save_as` is a suffix (".plan") to write a file; without, it is a preview."""

    draft: PlanDraft
    folder: Path
    save_as: str = ""


class PlanWorker:
    """The planning process. `give` gets a Done whose result is a PlanPreview or the Path of a file."""

    def __init__(self, give: Callable[[Done], object]):
        self.process = SideProcess("missionctl.services.plan_worker", give)

    def preview(self, draft: PlanDraft, folder: Path) -> int:
        """Wish for a preview; its ticket. Takes the place of previews that wait."""
        return self.process.wish(PlanWish(draft, folder))

    def save(self, draft: PlanDraft, folder: Path, suffix: str = ".plan") -> int:
        """Wish for a plan file in the mission folder; its ticket."""
        return self.process.wish(PlanWish(draft, folder, suffix), lasting=True)

    def close(self) -> None:
        """End the process; a file that is being saved is waited for."""
        self.process.close()


def _work(wish: PlanWish) -> PlanPreview | Path:
    workspace = Workspace.open(wish.folder)
    if wish.save_as:
        return save_plan(wish.draft, workspace, wish.save_as)[0]
    return preview_plan(wish.draft, workspace)


if __name__ == "__main__":
    serve(_work)
