"""Pure and synchronous: no clock, no random, no I/O, no asyncio. Time and messages in, decisions out."""
