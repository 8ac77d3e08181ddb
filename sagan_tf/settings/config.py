"""`Config`: one field = one flag = one line of a .flags file = one key of config.json.

A field's metadata holds its help text, the heading under which `--help` lists it and,
for names, the possible values. `flags.py` builds the flags from it.
"""

import dataclasses
import json

from sagan_tf.errors import BadInput
from sagan_tf.settings import checks

RESOLUTIONS = (32, 64, 128, 256)
RESIZE = (
    *("antialiased_bilinear", "bilinear", "antialiased_bicubic", "bicubic"),
    *("lanczos3", "area", "nearest"),
)
ATTENTION = ("official", "paper_v1", "paper_icml", "residual")
HEADS = ("projection", "auxiliary_classifier")
INITIALIZERS = ("glorot_uniform", "orthogonal", "normal_0.02")
LOSSES = ("hinge", "kl", "non_saturating", "wasserstein")
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
PROTOCOLS = (
    *("official-train-50k", "tfgan-validation-50k", "biggan-train-full", "quick-5k"),
)
ON_COLLAPSE = ("warn", "stop", "rollback")
STRATEGIES = ("default", "mirrored", "multi_worker", "tpu")


def _option(group, default, text, choices=None):
    metadata = {"group": group, "help": text, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def _data(default, text, choices=None):
    return _option("data", default, text, choices)


def _networks(default, text, choices=None):
    return _option("networks", default, text, choices)


def _training(default, text, choices=None):
    return _option("training", default, text, choices)


def _evaluation(default, text, choices=None):
    return _option("evaluation", default, text, choices)


def _run(default, text, choices=None):
    return _option("run", default, text, choices)


# Resuming with another value of one of these is refused: the weights would not fit, or
# would mean something else.
NETWORK_FIELDS = (
    *("resolution", "image_channels", "num_classes", "z_dim"),
    *("generator_channels", "discriminator_channels"),
    *("attention_resolution", "discriminator_attention_resolution"),
    *("attention_variant", "discriminator_head"),
    *("spectral_norm", "spectral_norm_clamp", "spectral_norm_conditional_batch_norm"),
    *("power_iterations", "batch_norm_epsilon"),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a run. The defaults are the official code's settings."""

    dataset: str = _data(
        "digits",
        "digits, npz:FILE, folder:DIR, tfrecord:GLOB or tfds:NAME",
    )
    data_dir: str | None = _data(None, "where TFDS keeps prepared data sets")
    manual_dir: str | None = _data(
        None, "where TFDS finds archives that were downloaded by hand"
    )
    split: str | None = _data(
        None,
        "split of a tfds data set (none: train); of the others train (four fifths), "
        "test (the fifth that is held out) or none: all",
    )
    label_offset: int = _data(0, "added to every label (-1 for labels from 1 on)")
    resize: str = _data(
        "antialiased_bilinear", "how the central square is resized", RESIZE
    )
    flip: bool = _data(False, "mirror half of the real images, at random")
    shuffle_buffer_images: int = _data(
        16384, "images in the shuffle buffer, for data sets that are read in sequence"
    )
    skip_bad_images: bool = _data(False, "count and name unreadable images, go on")

    resolution: int = _networks(128, "width and height in pixels", RESOLUTIONS)
    image_channels: int = _networks(3, "grey or RGB", (1, 3))
    num_classes: int | None = _networks(
        None, "none: as the data set says; 0: unconditional, labels are ignored"
    )
    z_dim: int = _networks(128, "length of z")
    generator_channels: int = _networks(64, "multiplier of the generator's widths")
    discriminator_channels: int = _networks(
        64, "multiplier of the discriminator's widths"
    )
    attention_resolution: tuple[int, ...] = _networks(
        (32,), "sizes of the feature maps with self-attention, or none"
    )
    discriminator_attention_resolution: tuple[int, ...] | None = _networks(
        None,
        "the same for the discriminator alone, or same (as the generator), or none",
    )
    attention_variant: str = _networks(
        "official",
        "form of the attention; residual: a residual block with as many parameters in "
        "its place (the paper's control)",
        ATTENTION,
    )
    attention_chunk_size: int | None = _networks(
        None,
        "rows of an attention map in memory at a time; 0: all; none: all of a small "
        "map, a part of a large one",
    )
    spectral_norm: str = _networks(
        "both",
        "networks with spectral normalization",
        ("both", "discriminator", "none"),
    )
    spectral_norm_clamp: bool = _networks(
        False, "divide by max(1, sigma), outside attention (as TF-GAN does)"
    )
    spectral_norm_conditional_batch_norm: bool = _networks(
        False,
        "normalize the generator's tables of class gains and biases too (as some "
        "reproductions do, with bad results)",
    )
    spectral_norm_stop_gradient: bool = _networks(
        False, "treat u and v as constants in the gradient (Miyato's form)"
    )
    power_iterations: int = _networks(1, "power iterations at each forward pass")
    initializer: str = _networks(
        "glorot_uniform", "initial values of kernels and embeddings", INITIALIZERS
    )
    batch_norm_momentum: float = _networks(
        0.999, "decay of the moving statistics in the generator's blocks"
    )
    final_batch_norm_momentum: float = _networks(
        0.9999, "decay of the moving statistics of its last batch normalization"
    )
    batch_norm_epsilon: float = _networks(1e-5, "epsilon of batch normalization")
    cross_replica_batch_norm: bool = _networks(
        False, "batch statistics over all replicas"
    )

    discriminator_head: str = _networks(
        "projection", "where labels enter D: projection, or AC-GAN's classifier", HEADS
    )

    loss: str = _training("hinge", "loss of both networks", LOSSES)
    class_loss_weight: float = _training(
        1.0, "discriminator_head=auxiliary_classifier: weight of both class losses"
    )
    generator_learning_rate: float = _training(1e-4, "Adam's, for the generator")
    discriminator_learning_rate: float = _training(
        4e-4, "Adam's, for the discriminator"
    )
    adam_beta1: float = _training(0.0, "Adam's beta1")
    adam_beta2: float = _training(0.999, "Adam's beta2 (the paper: 0.9)")
    adam_epsilon: float = _training(1e-8, "Adam's epsilon")
    discriminator_steps: int = _training(
        1, "discriminator steps per generator step, each on fresh images"
    )
    gradient_accumulation_steps: int = _training(
        1, "passes over batch_size / this many images for one update"
    )
    batch_size: int = _training(256, "images per update, over all replicas")
    fake_labels: str = _training(
        "uniform", "where labels of generated images come from", ("uniform", "data")
    )
    ema_decay: float | None = _training(
        None, "decay of the moving average of the generator's weights, or none"
    )
    ema_start_step: int = _training(0, "step at which the moving average begins")
    total_steps: int = _training(1_000_000, "generator updates in all")
    seed: int = _training(0, "of weights, data order, z and labels")
    dtype_policy: str = _training("float32", "Keras dtype policy", DTYPES)
    jit_compile: bool = _training(
        False, "compile the training step with XLA; needs --nodeterministic"
    )
    steps_per_execution: int = _training(1, "steps per call from Python")
    strategy: str = _training("default", "tf.distribute strategy", STRATEGIES)
    worker_timeout_seconds: int = _training(
        60,
        "strategy=multi_worker: seconds without a sign of life from a worker, until "
        "the others stop",
    )
    tpu_name: str | None = _training(
        None,
        "name or grpc:// address of a TPU, or local on a TPU VM; none: the environment "
        "variable TPU_NAME",
    )
    tpu_zone: str | None = _training(None, "zone of a TPU; none: this machine's")
    tpu_project: str | None = _training(
        None, "Google Cloud project of a TPU; none: this machine's"
    )
    deterministic: bool = _training(
        True, "the same numbers at each run, some operations are slower"
    )

    log_every_steps: int = _run(100, "steps between lines of the metrics")
    sample_every_steps: int = _run(
        1000, "steps between sample grids; 0: only at the start and the end"
    )
    checkpoint_every_steps: int = _run(
        1000, "steps between checkpoints; 0: only at the end"
    )
    keep_checkpoints: int = _run(3, "newest checkpoints that are kept")
    watch_every_steps: int = _run(
        1000,
        "steps between looks at the training's health; 0: never; without effect with "
        "strategy=multi_worker",
    )
    on_collapse: str = _run(
        "warn", "what to do about a collapse; rollback: stop, step back", ON_COLLAPSE
    )
    samples_per_class: int = _run(8, "images of each class in a sample grid")
    tensorboard: bool = _run(True, "write TensorBoard events, if it is installed")

    evaluate_every_steps: int = _evaluation(
        0, "steps between evaluations; the best checkpoint is kept aside. 0: never"
    )
    protocol: str = _evaluation("quick-5k", "how to evaluate", PROTOCOLS)
    feature_network: str = _evaluation(
        "inception", "inception, or the folder that sagan_tf.train_classifier wrote"
    )
    inception: str | None = _evaluation(
        None, "unpacked folder or handle of TF-GAN's Inception module"
    )
    reference_statistics: str | None = _evaluation(
        None, "file of sagan_tf.reference_statistics; none: made from the data set"
    )

    @property
    def generator_attention(self):
        """Tuple of the generator's attention resolutions."""
        return self.attention_resolution

    @property
    def discriminator_attention(self):
        """Tuple of the discriminator's attention resolutions."""
        if self.discriminator_attention_resolution is None:
            return self.attention_resolution
        return self.discriminator_attention_resolution

    @property
    def images_per_step(self):
        """Real images that one step takes from the data set, over all replicas."""
        return self.discriminator_steps * self.batch_size

    def validate(self):
        """Checks every field, and fields against one another.

        Returns:
            This config.

        Raises:
            BadInput: with the flag, what it may be, what it is, and what to try.
        """
        checks.check(self)
        return self

    def replace(self, num_classes):
        """The same config with another number of classes: the one the data has."""
        return dataclasses.replace(self, num_classes=num_classes)

    def to_json(self):
        """The config as JSON text, one key a field; `from_json` is its inverse."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """The config that `to_json` wrote. Keys that are missing take the default.

        Raises:
            BadInput: the text is not JSON, or has a key that is not a field.
        """
        values = json.loads(text)
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise BadInput(
                f"config.json may only have the fields of Config. Received: "
                f"{', '.join(unknown)}. It was written by another version of sagan_tf."
            )
        tuples = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        return cls(**{**values, **tuples})

    def difference(self, other):
        """Dict of field name to (our value, the other's), where they differ."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return {
            name: (mine[name], theirs[name])
            for name in mine
            if mine[name] != theirs[name]
        }

    def network_difference(self, other):
        """`difference`, of what decides the weights' shapes and meaning.

        A decay may change during a run, but a moving average cannot appear or vanish.
        """
        found = self.difference(other)
        names = set(NETWORK_FIELDS)
        if None in found.get("ema_decay", ()):
            names.add("ema_decay")
        return {name: values for name, values in found.items() if name in names}
