"""Ways by which a message leaves the house; one port, one adapter a way."""
