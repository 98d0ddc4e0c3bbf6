"""Conversion between records and the contract's messages, in both directions."""
