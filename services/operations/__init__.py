"""Shows and mends the pipeline: the trail, the counters, the dead letters, and the audit that believes nobody."""
