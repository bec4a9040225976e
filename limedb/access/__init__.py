"""Who callers are: tokens, users, JWTs, and the secret that nodes share."""
