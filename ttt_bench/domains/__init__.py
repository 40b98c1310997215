"""Where images and labels come from: domains, corruptions of them, and pairs of them."""
