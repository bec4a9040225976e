"""Changes of keys that share a tag: decided at the register of their group, then stored."""
