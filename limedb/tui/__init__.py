"""The terminal UI: `limedb tui`.

Pure modules (cluster, changes, nodes, ring, gossip, values, drafts, browsing, figures) decide what to show,
and know no Textual. App, panes and dialogs put it on the screen. Only session calls the cluster.
"""
