"""Testing: what the tests of a host get. plugin.py is the pytest plugin; the rest serves it."""
