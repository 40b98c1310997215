"""VisDA-C: renders of objects as source, photographs of the same kinds as targets."""
