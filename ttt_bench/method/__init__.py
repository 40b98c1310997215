"""The plug-in contract of methods, what a method says of itself, and how its file is found. Listing loads no torch."""
