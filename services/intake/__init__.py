"""Taking in what other systems know: each part goes to the service that owns it."""
