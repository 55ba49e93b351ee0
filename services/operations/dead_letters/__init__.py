"""Look at, replay and discard the messages that a consumer buried."""
