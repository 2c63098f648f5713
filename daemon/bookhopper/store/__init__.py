"""The persisted queue: the Store protocol and what keeps it."""
