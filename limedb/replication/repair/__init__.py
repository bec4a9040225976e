"""Anti-entropy: replicas are compared, evened, scrubbed and cleaned up in the background."""
