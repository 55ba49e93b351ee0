"""How much work is where, kept as it moves and never counted on a read."""
