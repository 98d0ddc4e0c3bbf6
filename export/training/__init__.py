"""Training the multitask model."""
