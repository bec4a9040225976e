"""The command line: arguments and screens only."""
