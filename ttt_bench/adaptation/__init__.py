"""Test time: one adapter per cell, three protocols, and the recording of every step."""
