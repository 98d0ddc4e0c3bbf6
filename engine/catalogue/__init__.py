"""The catalogue: a durable file of items, and immutable snapshots of it in memory."""
