"""The page that people open: one HTML file with everything in it. Nothing heavy is imported until it is written."""
