"""Tells people: what must be told to whom, and how it went out."""
