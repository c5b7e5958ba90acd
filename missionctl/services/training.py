"""What a trainer does: lists and runs scenarios, replays flights."""
