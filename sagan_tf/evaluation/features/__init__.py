"""Feature networks: TF-GAN's Inception, and a classifier of one's own."""
