"""The variables of the ancestors' unit and compose files, which go on working."""
