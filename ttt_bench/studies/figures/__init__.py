"""The studies' figures, in the style of the report's."""
