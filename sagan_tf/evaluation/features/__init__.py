"""Feature networks: TF-GAN's Inception, and classifiers of data sets."""
