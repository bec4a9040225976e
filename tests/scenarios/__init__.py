"""Real clusters under faults and load; those that are shared end with their file: see conftest.py."""
