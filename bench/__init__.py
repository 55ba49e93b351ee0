"""How fast it is, beside the least that could do the same on the same servers: `python -m bench`."""
