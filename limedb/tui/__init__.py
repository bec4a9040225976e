"""The terminal UI: `limedb tui`.

What is shown is told by pure modules (cluster, changes, nodes, ring, gossip, values, drafts, browsing,
figures), that know no Textual. App, panes and dialogs put it on the screen. Only session asks the cluster.
"""
