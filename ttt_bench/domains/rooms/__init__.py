"""Procedural rooms: exact labels, nothing to download, several looks of the same world."""
