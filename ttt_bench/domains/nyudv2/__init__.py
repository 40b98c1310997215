"""NYU Depth V2 in the three forms its users have on disk."""
