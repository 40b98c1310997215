"""What methods share: views, flows, moments, early features, masked autoencoders."""
