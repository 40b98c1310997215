"""One module per method family: from a manifest entry to a call of the project's own code."""
