"""What a node reports about itself: counters, traces, metrics and logs. It must never delay a request: parts
that aren't in use cost nothing.
"""
