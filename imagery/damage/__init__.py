"""From an orthomosaic to water, mud, debris, depth, graded buildings and cut roads."""

from imagery.damage.mapping import DamageReport, map_damage
from imagery.damage.options import DamageOptions
from imagery.damage.scoring import Score, score

__all__ = ["DamageOptions", "DamageReport", "Score", "map_damage", "score"]
