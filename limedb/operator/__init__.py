"""What the command line and the terminal UI ask a cluster, with calls that block."""
