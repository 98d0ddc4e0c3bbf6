"""Texts: attributes rendered to text, and text to token ids."""
