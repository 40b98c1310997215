"""The options that describe a sweep, once, for every command: a file for each panel of the help, and their reading."""
