"""What concerns one person, in all services: their roles, and who looked at what is theirs."""
