"""Import and export: files of keys, read and written piece by piece; screens are the command line's."""
