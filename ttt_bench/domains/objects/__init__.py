"""One piece of furniture an image, in the rooms' world: image classification with nothing on disk."""
