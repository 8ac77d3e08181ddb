"""Plans a run: FLOPs, memory, days and cost on H100s and TPUs, without training it.

python -m sagan_tf.plan --flagfile=configs/imagenet.flags
"""

import dataclasses
import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.settings.command import config_from_flags, define_flags, load, run_command


def _define(values):
    flags.DEFINE_multi_float(
        "utilisation",
        [0.1, 0.2, 0.4],
        "share of the devices' peak for which days and cost are told; may be repeated",
        flag_values=values,
    )
    for key, name in (("h100", "an H100"), ("tpu_v5e", "a TPU v5e chip")):
        flags.DEFINE_float(
            f"{key}_price_per_hour",
            None,
            f"US dollars that you pay for {name}; none: an assumption",
            flag_values=values,
        )
    flags.DEFINE_string(
        "measured", None, "JSON of scripts/benchmark.py --json", flag_values=values
    )
    flags.DEFINE_bool(
        "count",
        True,
        "let TensorFlow count the FLOPs of a step as well (takes 20 s)",
        flag_values=values,
    )
    define_flags(values)


def _plan(values):
    config = config_from_flags(values)
    # TensorFlow takes seconds to load: flags are checked before.
    flops, planning = load("sagan_tf.planning.flops"), load("sagan_tf.planning.plan")
    measured = planning.read_measurement(values.measured) if values.measured else None
    if config.num_classes is None:
        config = config.replace(10 if config.dataset == "digits" else 1000)
        print(f"--num_classes is not given: {config.num_classes} assumed.\n")
    building = load("sagan_tf.run.building")
    load("keras").config.set_dtype_policy(config.dtype_policy)
    model = building.make_model(config)
    # What a loop does is not counted, so attention in parts is counted as a whole.
    whole = dataclasses.replace(config, attention_chunk_size=0)
    plan = planning.Plan(
        model.generator,
        model.discriminator,
        batch_size=config.batch_size,
        total_steps=config.total_steps,
        discriminator_steps=config.discriminator_steps,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        has_ema=config.ema_decay is not None,
        dtype_policy=config.dtype_policy,
        counted_flops=flops.step_count(building.make_model(whole), config.batch_size)
        if values.count
        else None,
    )
    prices = {
        device.key: values[f"{device.key}_price_per_hour"].value
        for device in planning.DEVICES
    }
    page = load("sagan_tf.planning.page")
    print(page.plan_text(plan, prices, values.utilisation, measured))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_plan, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
