"""How settings are chosen: trials, strategies, the recipe ``tuned``, and what ``select`` reports. No torch."""
