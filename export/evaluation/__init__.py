"""Ranking metrics and the scenarios of cold start."""
