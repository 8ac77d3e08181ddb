"""SAGAN (Zhang et al., arXiv 1805.08318) in TensorFlow 2 and Keras 3.

from sagan_tf import SAGAN, build_discriminator, build_generator

model = SAGAN(build_generator(), build_discriminator(), z_dim=128, num_classes=1000)
model.compile()
model.fit(batches_of_images_and_labels)
"""

import importlib
import os
import platform
import sys

# TensorFlow reads this variable when it is imported. By default it leaves oneDNN off on
# processors without AVX-512, where a training step is faster with oneDNN too: see
# docs/performance.md.
if "tensorflow" not in sys.modules and platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

# name: module. It is loaded at the first use, so that commands can check their flags
# before TensorFlow is imported.
_EXPORTS = {
    "SAGAN": "sagan_tf.model",
    "build_discriminator": "sagan_tf.networks",
    "build_generator": "sagan_tf.networks",
    "ConditionalBatchNorm": "sagan_tf.layers",
    "ProjectionHead": "sagan_tf.layers",
    "SelfAttention": "sagan_tf.layers",
    "SpectralNormalization": "sagan_tf.layers",
    "load_generator": "sagan_tf.run.building",
}

__all__ = [*sorted(_EXPORTS), "__version__"]


def __getattr__(name):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__():
    return __all__
