"""The real servers as plain processes, for work, tests and faults without containers; needs Python alone."""
