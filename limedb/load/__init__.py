"""The load tester: what `limedb bench` runs; screens are the command line's."""
