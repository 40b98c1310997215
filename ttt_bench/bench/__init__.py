"""How fast everything is, as ratios to the encoder's own cost, all measured in one run."""
