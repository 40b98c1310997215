"""From a domain to batches: decoding once, the cache of what was decoded, augmentation, noise."""
