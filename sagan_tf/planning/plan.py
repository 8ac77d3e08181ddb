"""Estimates time, memory and cost of a run without the machine.

    seconds per step = FLOPs of a step / (devices * peak * utilization)

The FLOPs are those that a step really computes (`counted_flops`), or those of the
formula if they were not counted. The utilization is their share of the peak. It has to
be measured; `Plan.roofline_seconds` gives its limit.
"""

import dataclasses
import functools
import json
import math
import pathlib

from sagan_tf.errors import BadInput
from sagan_tf.model import overview
from sagan_tf.planning import flops

DAY = 24 * 60 * 60  # Seconds.


@dataclasses.dataclass(frozen=True)
class Device:
    """One chip, with the data that its maker publishes."""

    key: str  # Its name in the flag `--KEY_price_per_hour`.
    name: str
    float32: float  # Peak FLOP/s of matrix products without sparsity,
    half: float  # the same in bfloat16.
    memory: float  # Bytes.
    bandwidth: float  # Bytes/s.
    price: float  # US dollars per hour: an assumption.
    source: str  # Where the numbers come from.

    def peak(self, dtype_policy):
        """Returns the peak FLOP/s under a Keras dtype policy."""
        return self.float32 if dtype_policy == "float32" else self.half


DEVICES = (
    Device(
        key="h100",
        name="H100 SXM",
        float32=494.7e12,
        half=989.4e12,
        memory=80e9,
        bandwidth=3.35e12,
        price=3.00,
        source="NVIDIA's H100 data sheet, dense; float32 means TF32, TensorFlow's "
        "default there",
    ),
    Device(
        key="tpu_v5e",
        name="TPU v5e",
        float32=197e12,
        half=197e12,
        memory=16e9,
        bandwidth=819e9,
        price=1.20,
        source="Google's page on TPU v5e; XLA multiplies float32 in bfloat16 by "
        "default there",
    ),
)
DEVICE_COUNTS = (1, 8)
UTILIZATIONS = (0.1, 0.2, 0.4)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run to estimate: a model, and how it is trained.

    Attributes:
        model: `SAGAN`, of functional networks.
        batch_size: int, global.
        total_steps: int.
        dtype_policy: str, Keras' policy under which the networks were built.
        counted_flops: int, see `counted_flops.step_count`; `None` if not counted.
    """

    model: object
    batch_size: int
    total_steps: int
    dtype_policy: str = "float32"
    counted_flops: int | None = None

    @property
    def networks(self):
        """The generator and the discriminator."""
        return self.model.generator, self.model.discriminator

    @functools.cached_property
    def step_flops(self):
        """Dict of the parts of a step's FLOPs, see `flops.training_step_flops`."""
        return flops.training_step_flops(
            *self.networks,
            self.batch_size,
            self.model.discriminator_steps,
            self.model.gradient_accumulation_steps,
        )

    @property
    def computed_flops(self):
        """Counted FLOPs of a step, or the formula's if they were not counted."""
        return self.counted_flops or sum(self.step_flops.values())

    @functools.cached_property
    def step_products(self):
        """List of (`flops.Product`, times) of a whole step, for one image."""
        steps = self.model.discriminator_steps
        return sum(flops.step_products(*self.networks, steps), [])

    @functools.cached_property
    def memory_of_one(self):
        """`overview.memory_estimate` for one image."""
        has_ema = self.model.ema_decay is not None
        return overview.memory_estimate(*self.networks, 1, has_ema)

    def images(self, count):
        """Returns the images of one pass on each of `count` devices, rounded up."""
        return -(-self.batch_size // (count * self.model.gradient_accumulation_steps))

    def memory(self, images):
        """Returns a dict of names to bytes on a device, for the images of a pass."""
        one = self.memory_of_one
        return {**one, "activations": images * one["activations"]}

    def fits(self, images, device):
        """Returns True if a pass of this many images fits into a `Device`."""
        return sum(self.memory(images).values()) <= device.memory

    def days(self, flops_per_second):
        """Returns the days of training, without checkpoints and evaluations: float."""
        flops = self.total_steps * self.computed_flops
        return flops / flops_per_second / DAY

    def days_where(self, measured):
        """Returns the days on the machine that `read_measurement` describes."""
        flops = self.total_steps * sum(self.step_flops.values())
        return flops / measured["formula_flops_per_second"] / DAY

    def roofline_seconds(self, device, count):
        """Returns the shortest time that a step can take on `count` devices: float.

        Each product takes FLOPs / peak, or the time to read its factors and write its
        result once if that is longer (the roofline model, Williams et al., CACM 2009).
        Normalization, activations, Adam and communication take no time. If the code
        computes less than the formula, the time shrinks in proportion.
        """
        itemsize = 4 if self.dtype_policy == "float32" else 2
        peak, images = device.peak(self.dtype_policy), self.images(count)
        seconds = 0.0
        for product, times in self.step_products:
            weights = math.prod(product.kernel) if product.kernel else 0
            moved = itemsize * (images * product.values + weights)
            computing, moving = images * product.flops / peak, moved / device.bandwidth
            seconds += times * max(computing, moving)
        computed = min(1, self.computed_flops / sum(self.step_flops.values()))
        return self.model.gradient_accumulation_steps * seconds * computed

    def accumulation_that_fits(self, device, count):
        """Returns the fewest passes per update that let a replica fit its device: int.

        The number divides the replica's images. It is `None` if not one image fits.
        """
        replica = -(-self.batch_size // count)
        divisors = (passes for passes in range(1, replica + 1) if replica % passes == 0)
        return next((n for n in divisors if self.fits(replica // n, device)), None)


def read_measurement(path):
    """Reads the JSON of `scripts/benchmark.py --part=all --json` from a path.

    Returns:
        Dict: "text", the machine and the settings; "utilization", the counted FLOP/s of
        a training step over those of a matrix product; "formula_flops_per_second";
        "images_per_core_second" of the JPEG folder, or `None`.

    Raises:
        BadInput: the file is not such JSON.
        OSError: the file cannot be read.
    """
    try:
        report = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        step, settings = report["results"]["train_step"], report["settings"]
        folders = report["results"].get("data", {}).get("folder", [])
        share, speed = step["counted_share_of_matmul"], step["flops_per_second"]
        rates = [each["images_per_core_second"] for each in folders]
        if not all(0 < value < math.inf for value in (share, speed, *rates)):
            raise ValueError("a speed is not above 0")
        return {
            "text": f"{report['machine']['processor']}, {report['machine']['cores']} "
            f"cores, {settings['resolution']} pixels, batch {settings['batch_size']}, "
            f"{settings['dtype_policy']}",
            "utilization": share,
            "formula_flops_per_second": speed,
            "images_per_core_second": max(rates, default=None),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "measured must be the output of scripts/benchmark.py with --json and the "
            f"part train_step. Received: {path} ({type(error).__name__}: {error}). Try "
            "python scripts/benchmark.py --part=train_step,data --json > measured.json."
        ) from error
