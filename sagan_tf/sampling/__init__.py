"""Images of a trained generator: grids, walks, animations, nearest neighbours."""
