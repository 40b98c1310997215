"""What studies measure on a cell's models beside its trajectory."""
