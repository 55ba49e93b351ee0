"""What must be told to whom, because of which fact."""
