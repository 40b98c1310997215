"""The S4T paper's ablations and checks as named studies: what they vary, what they measure, how they are shown."""
