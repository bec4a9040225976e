"""The topology: who owns what, agreed on by Paxos, and changed one step at a time."""
