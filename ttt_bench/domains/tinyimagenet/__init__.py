"""TinyImageNet and its published corruptions."""
