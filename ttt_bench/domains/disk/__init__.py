"""Where data lie on disk, in which layout, and whether what lies there can be read."""
