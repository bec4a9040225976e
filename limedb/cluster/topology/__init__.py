"""The topology: the ownership of keys, agreed on by Paxos, and changed one step at a time."""
