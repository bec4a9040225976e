"""Import and export: files of keys, read and written piece by piece; limedb/cli has the screens."""
