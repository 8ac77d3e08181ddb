"""SAGAN (Zhang et al., arXiv 1805.08318) in TensorFlow 2 and Keras 3."""

__version__ = "0.1.0"
