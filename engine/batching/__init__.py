"""Dynamic batching: requests share one queue, and a planner cuts it into the batches of least predicted time."""
