"""From vectors to answers: towers, heads, ranking and reasons."""
