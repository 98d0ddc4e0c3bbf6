"""`emberline bench coldstart`: what the model is worth to items and users that it has never seen, beside baselines."""
