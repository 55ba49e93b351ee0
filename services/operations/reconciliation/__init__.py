"""The audit: merges what the services say with what clients kept and what lies in the object store."""
