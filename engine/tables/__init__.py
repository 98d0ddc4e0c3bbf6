"""Files of items and users. Training and the live catalogue read them with the same code."""
