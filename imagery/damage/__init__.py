"""From an orthomosaic to water, mud, debris, depth, graded buildings and cut roads."""
