"""The Plan workspace: drawing zones on the map, wishes, and the plan that comes of them."""
