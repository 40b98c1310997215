"""PASCAL-Context in the package of ATRC and InvPT."""
