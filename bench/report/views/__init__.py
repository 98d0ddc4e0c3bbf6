"""Results as documents: one module for each command, and what they share."""
