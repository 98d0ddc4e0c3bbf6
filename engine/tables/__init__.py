"""Text files of rows and the records in them, read alike for training and for the live catalogue."""
