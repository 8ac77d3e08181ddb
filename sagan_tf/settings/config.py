"""`Config`: one field = one flag = one line of a .flags file = one key of config.json.

A field's metadata holds its help text, the heading under which `--help` lists it, and
its possible values: choices, or limits. Without either, a number is above 0.
"""

import dataclasses
import functools
import json

from sagan_tf.errors import BadInput
from sagan_tf.settings.checks import (
    ANY_WHOLE,
    AT_LEAST_0,
    BELOW_1,
    SEED,
    WHOLE,
    between,
    check,
)
from sagan_tf.settings.network_fields import NETWORK_FIELDS

RESOLUTIONS = (32, 64, 128, 256)
RESIZE = (
    "antialiased_bilinear",
    "bilinear",
    "antialiased_bicubic",
    "bicubic",
    "lanczos3",
    "area",
    "nearest",
)
ATTENTION = ("official", "paper_v1", "paper_icml", "residual")
HEADS = ("projection", "auxiliary_classifier")
INITIALIZERS = ("glorot_uniform", "orthogonal", "normal_0.02")
LOSSES = ("hinge", "kl", "non_saturating", "wasserstein")
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")
PROTOCOLS = (
    "official-train-50k",
    "tfgan-validation-50k",
    "biggan-train-full",
    "quick-5k",
)
ON_COLLAPSE = ("warn", "stop", "rollback")
LOGGERS = ("tensorboard", "wandb", "mlflow")
_CHANNELS = between(1, 4096)
STRATEGIES = ("default", "mirrored", "multi_worker", "tpu")


def _option(group, default, text, choices=None, limits=None):
    metadata = {"group": group, "help": text, "choices": choices, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


GROUPS = ("data", "networks", "training", "evaluation", "run")
_data, _networks, _training, _evaluation, _run = (
    functools.partial(_option, group) for group in GROUPS
)

# The values of runs from before a field existed, if its default is another one.
_BEFORE_THE_FIELD = {"batch_norm_debias": False}


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a run. The defaults are the official code's settings."""

    dataset: str = _data(
        "digits", "digits, npz:FILE, folder:DIR, tfrecord:GLOB or tfds:NAME"
    )
    data_dir: str | None = _data(None, "folder in which TFDS keeps prepared data sets")
    manual_dir: str | None = _data(
        None, "folder of archives that you downloaded for TFDS"
    )
    split: str | None = _data(
        None,
        "split of a tfds data set (none: train). For other data sets: train (four "
        "fifths), test (the other fifth) or none (all)",
    )
    label_offset: int = _data(
        0, "added to every label: -1 for labels that start at 1", limits=ANY_WHOLE
    )
    resize: str = _data(
        "antialiased_bilinear", "how the central square is resized", RESIZE
    )
    flip: bool = _data(False, "mirror a random half of the real images")
    balance_classes: bool = _data(
        False, "draw real images of all classes equally often (digits, npz, folder)"
    )
    shuffle_buffer_images: int = _data(
        16384, "images in the shuffle buffer, for data sets that are read in sequence"
    )
    skip_bad_images: bool = _data(False, "leave unreadable images out, and name them")

    resolution: int = _networks(128, "width and height in pixels", RESOLUTIONS)
    image_channels: int = _networks(3, "gray or RGB", (1, 3))
    num_classes: int | None = _networks(
        None,
        "number of classes; none: as many as the data set has; 0: unconditional, "
        "labels are ignored",
        limits=between(0, 1_000_000),
    )
    z_dim: int = _networks(128, "length of z", limits=between(1, 65_536))
    generator_channels: int = _networks(
        64, "multiplier of the generator's widths", limits=_CHANNELS
    )
    discriminator_channels: int = _networks(
        64, "multiplier of the discriminator's widths", limits=_CHANNELS
    )
    attention_resolution: tuple[int, ...] = _networks(
        (32,), "sizes of the feature maps with self-attention, or none"
    )
    discriminator_attention_resolution: tuple[int, ...] | None = _networks(
        None, "sizes in the discriminator, none, or same as the generator"
    )
    attention_variant: str = _networks(
        "official",
        "form of the attention; residual: the paper's control, a residual block with "
        "as many parameters",
        ATTENTION,
    )
    attention_chunk_size: int | None = _networks(
        None,
        "rows of an attention map in memory at a time; 0: all; none: chosen by the "
        "size of the map",
        limits=WHOLE,
    )
    spectral_norm: str = _networks(
        "both",
        "networks with spectral normalization",
        ("both", "discriminator", "none"),
    )
    spectral_norm_clamp: bool = _networks(
        False, "divide by max(1, sigma) outside attention, as TF-GAN does"
    )
    spectral_norm_conditional_batch_norm: bool = _networks(
        False,
        "normalize the generator's tables of class gains and biases too; some "
        "reproductions do, with bad results",
    )
    spectral_norm_stop_gradient: bool = _networks(
        False, "treat u and v as constants in the gradient (Miyato's form)"
    )
    power_iterations: int = _networks(
        1, "power iterations in each forward pass", limits=between(1, 1000)
    )
    initializer: str = _networks(
        "glorot_uniform", "initial values of kernels and embeddings", INITIALIZERS
    )
    batch_norm_momentum: float = _networks(
        0.999, "decay of the moving statistics in the generator", limits=BELOW_1
    )
    final_batch_norm_momentum: float = _networks(
        0.9999, "the same in the generator's last batch normalization", limits=BELOW_1
    )
    batch_norm_epsilon: float = _networks(1e-5, "epsilon of batch normalization")
    batch_norm_debias: bool = _networks(
        True, "correct moving statistics for their initial values; official: no"
    )
    cross_replica_batch_norm: bool = _networks(
        False, "compute batch statistics over all replicas"
    )
    discriminator_head: str = _networks(
        "projection", "how the discriminator uses labels", HEADS
    )

    initialize_from: str | None = _training(
        None,
        "folder of another run, or hf://user/name, whose weights a new run starts "
        "with; network settings that are not given are those of that run",
    )
    freeze_discriminator_blocks: int = _training(
        0, "frozen blocks of the discriminator, from the image on", limits=WHOLE
    )
    loss: str = _training("hinge", "loss of both networks", LOSSES)
    class_loss_weight: float = _training(
        1.0,
        "weight of both class losses, with discriminator_head=auxiliary_classifier",
        limits=AT_LEAST_0,
    )
    mode_seeking_weight: float = _training(
        0.0,
        "weight of capped mode seeking: the generator pays when two images of one "
        "label are more similar than mode_seeking_distance. Try 3 if it draws few "
        "different images of a class",
        limits=AT_LEAST_0,
    )
    mode_seeking_distance: float | None = _training(
        None,
        "distance of two images of one label, as the root mean square difference of "
        "their values; none: measured on real images and recorded in config.json",
    )
    augment: tuple[str, ...] = _training(
        (),
        "differentiable augmentations of real and generated images, before the "
        "discriminator, with commas",
        ("flip", "colour", "translation", "cutout"),
    )
    augment_fill: str = _training(
        "zero", "value of pixels that augment shifts in or cuts out", ("zero", "black")
    )
    augment_target: float | None = _training(
        None,
        "adapt the probability of augment: it rises while the mean sign of the logits "
        "of real images is above this; the paper: 0.6; none: always applied",
        limits=("above -1 and below 1", lambda value: -1 < value < 1),
    )
    augment_adaptation_images: int = _training(
        500_000,
        "with augment_target: images in which the probability can rise from 0 to 1",
    )
    generator_learning_rate: float = _training(
        1e-4, "Adam's learning rate for the generator"
    )
    discriminator_learning_rate: float = _training(
        4e-4, "Adam's learning rate for the discriminator"
    )
    adam_beta1: float = _training(0.0, "Adam's beta1", limits=BELOW_1)
    adam_beta2: float = _training(0.999, "Adam's beta2; the paper: 0.9", limits=BELOW_1)
    adam_epsilon: float = _training(1e-8, "Adam's epsilon")
    discriminator_steps: int = _training(
        1,
        "discriminator steps per generator step, each on new images",
        limits=between(1, 1000),
    )
    gradient_accumulation_steps: int = _training(
        1,
        "parts into which the batch of an update is split",
        limits=between(1, 1_000_000),
    )
    batch_size: int = _training(
        256, "images per update, over all replicas", limits=between(1, 1_000_000)
    )
    fake_labels: str = _training(
        "uniform", "where the labels of generated images come from", ("uniform", "data")
    )
    ema_decay: float | None = _training(
        None, "decay of the moving average of the generator's weights", limits=BELOW_1
    )
    ema_start_step: int = _training(
        0, "step at which the moving average starts", limits=WHOLE
    )
    total_steps: int = _training(1_000_000, "generator steps in all")
    seed: int = _training(0, "seed of weights, data order, z and labels", limits=SEED)
    dtype_policy: str = _training("float32", "Keras dtype policy", DTYPES)
    jit_compile: bool = _training(
        False, "compile the training step with XLA; needs --nodeterministic"
    )
    steps_per_execution: int = _training(1, "steps per call from Python")
    strategy: str = _training("default", "tf.distribute strategy", STRATEGIES)
    worker_timeout_seconds: int = _training(
        60,
        "with strategy=multi_worker: seconds without a sign of life from a worker "
        "until the others stop",
    )
    tpu_name: str | None = _training(
        None,
        "name or grpc:// address of a TPU, local on a TPU VM; none: the environment "
        "variable TPU_NAME",
    )
    tpu_zone: str | None = _training(None, "zone of the TPU; none: this machine's")
    tpu_project: str | None = _training(
        None, "Google Cloud project of the TPU; none: this machine's"
    )
    deterministic: bool = _training(
        True, "compute the same numbers in each run; some operations are slower"
    )

    log_every_steps: int | None = _run(
        None, "steps between lines of the metrics; none: 100, fewer in a short run"
    )
    sample_every_steps: int | None = _run(
        None,
        "steps between sample grids; 0: only at the start and the end; none: at 1, "
        "10, 20, 30, ... % of all steps",
        limits=WHOLE,
    )
    checkpoint_every_steps: int = _run(
        1000, "steps between checkpoints; 0: only at the end", limits=WHOLE
    )
    keep_checkpoints: int = _run(3, "newest checkpoints to keep")
    watch_every_steps: int | None = _run(
        None,
        "steps between checks of the training's health; none: 1000, fewer in a short "
        "run; 0: never; no effect with strategy=multi_worker",
        limits=WHOLE,
    )
    on_collapse: str = _run(
        "warn",
        "what to do about a collapse; rollback: stop, and return to the last healthy "
        "checkpoint",
        ON_COLLAPSE,
    )
    report: bool = _run(
        False,
        "write report.html at the end; without a feature network, a classifier of the "
        "classes is trained for its metrics",
    )
    samples_per_class: int = _run(
        8, "images of each class in a sample grid", limits=between(1, 256)
    )
    tensorboard: bool = _run(True, "write TensorBoard events, if it is installed")
    logger: tuple[str, ...] = _run(
        (), "send metrics and sample grids to these, with commas", LOGGERS
    )

    evaluate_every_steps: int = _evaluation(
        0,
        "steps between evaluations; 0: never. The best checkpoint is kept in best/",
        limits=WHOLE,
    )
    protocol: str = _evaluation("quick-5k", "how to evaluate", PROTOCOLS)
    feature_network: str | None = _evaluation(
        None,
        "inception, or a folder of sagan_tf.train_classifier; none: Inception, or "
        "a classifier that the run trains if Inception is missing",
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

    @property
    def log_interval(self):
        """Steps between lines of the metrics."""
        return self._interval(self.log_every_steps, 100, 50)

    @property
    def watch_interval(self):
        """Steps between health checks, 0 for none; 20 or more by default."""
        return self._interval(self.watch_every_steps, 1000, 5, least=20)

    @property
    def sample_interval(self):
        """Steps between sample grids, 0 for none between start and end."""
        return self._interval(self.sample_every_steps, self.total_steps, 10)

    def _interval(self, given, most, parts, least=1):
        """Returns the given steps; or `least` to `most`, for `parts` in a run."""
        if given is not None:
            return given
        unit = self.steps_per_execution
        return -(-min(most, max(least, self.total_steps // parts)) // unit) * unit

    def validate(self):
        """Checks every field, and fields against one another.

        Returns:
            This config.

        Raises:
            BadInput: names the flag, its possible values, its value, and what to try.
        """
        check(self)
        return self

    def replace(self, num_classes):
        """Returns the config with the number of classes that the data set has."""
        return dataclasses.replace(self, num_classes=num_classes)

    def to_json(self):
        """Returns the config as JSON text with one key for each field."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """Reads the config that `to_json` wrote.

        A missing key takes the default, or the value that all runs had before the field
        existed.

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
        return cls(**{**_BEFORE_THE_FIELD, **values, **tuples})

    def difference(self, other):
        """Returns a dict of field name to (our value, the other's) if they differ."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        changed = [name for name in mine if mine[name] != theirs[name]]
        return {name: (mine[name], theirs[name]) for name in changed}

    def network_difference(self, other):
        """Returns the `difference` in fields that set the weights' shapes and meaning.

        A decay may change during a run, but a moving average cannot appear or vanish;
        nor can the state of an adaptive augmentation, of Adam for frozen weights, or of
        the loss scaling that mixed_float16 alone has.
        """
        changes = self.difference(other)
        names = {*NETWORK_FIELDS, "freeze_discriminator_blocks"}
        states = {"ema_decay": None, "augment_target": None}
        for name, value in {**states, "dtype_policy": "mixed_float16"}.items():
            if value in changes.get(name, ()):
                names.add(name)
        return {name: values for name, values in changes.items() if name in names}
