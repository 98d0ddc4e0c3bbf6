"""Dynamic batching: requests wait in one queue, and a planner cuts it into batches of least predicted time."""
