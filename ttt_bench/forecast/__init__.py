"""What a plan will take, before anything starts."""
