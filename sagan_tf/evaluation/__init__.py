"""How good generated images are: feature networks, metrics, protocols."""
