"""Audits that operations staff ask for on a page: who asked, how each went, and what it found."""
