"""How what must be told goes out: grouped, written, handed to a channel, and recorded."""
