"""`tf.distribute`: strategies, clusters, and what workers agree upon."""
