"""Demo: the example host, and a walk through all that happens to one event of it."""
