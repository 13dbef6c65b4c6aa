"""The files of a run directory: what is in them, how they are written and read."""
