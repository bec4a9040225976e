"""The three stores behind one contract: lmdb, memory and filesystem (`ports.Store`).

It owns how records are kept. It must never know who owns a key, and never route or replicate.
"""
