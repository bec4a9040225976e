"""Calls to a cluster for the command line, the launcher and the terminal UI."""
