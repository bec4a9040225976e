"""Conditional writes: promises at replicas, and the coordinator's rounds."""
