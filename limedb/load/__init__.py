"""The load tester behind `limedb bench`; limedb/cli has its screens."""
