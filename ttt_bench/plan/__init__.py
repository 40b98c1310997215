"""From what the user asked for to the work that has to be done. No torch."""
