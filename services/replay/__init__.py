"""Replays real submission data through the whole system, as its clients would have sent it."""
