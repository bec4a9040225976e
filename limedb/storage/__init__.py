"""The three stores behind one contract: lmdb, memory and filesystem (`ports.Store`).

It owns how records are kept. It must never know which nodes own a key, and never route or replicate.
"""
