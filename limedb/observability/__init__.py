"""What a node tells about itself: counters, traces, metrics and logs. It must never stand in the way of a
request: whatever is not asked for costs nothing.
"""
