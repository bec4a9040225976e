"""A package, so that its shared clusters end with its last test: see conftest.py."""
