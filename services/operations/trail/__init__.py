"""Every fact that ever happened, in one chain."""
