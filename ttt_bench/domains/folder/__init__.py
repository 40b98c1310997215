"""Data of your own: pictures with labels in a folder, described by one small file."""
