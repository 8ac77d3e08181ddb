"""Estimates a run: FLOPs, memory, days and cost on H100s and TPUs. Nothing is trained.

python -m sagan_tf.plan --flagfile=configs/imagenet.flags
"""

import dataclasses
import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.settings.command import define_flags, load, new_config, run_command


def _define(values):
    about = "share of the devices' peak, for the days and the cost; may be repeated"
    shares = [0.1, 0.2, 0.4]
    flags.DEFINE_multi_float("utilisation", shares, about, 1e-6, 1, flag_values=values)
    for key, name in (("h100", "an H100"), ("tpu_v5e", "a TPU v5e chip")):
        about = f"US dollars for {name}; none: an assumed price"
        flags.DEFINE_float(f"{key}_price_per_hour", None, about, 0, flag_values=values)
    about = "JSON file that scripts/benchmark.py --json wrote"
    flags.DEFINE_string("measured", None, about, flag_values=values)
    about = "also let TensorFlow count the FLOPs of a step (takes 20 s)"
    flags.DEFINE_bool("count", True, about, flag_values=values)
    define_flags(values)


def _plan(values):
    config = new_config(values)
    # TensorFlow takes seconds to load, so the flags are checked first.
    planning, building = load("sagan_tf.planning.plan"), load("sagan_tf.run.building")
    measured = planning.read_measurement(values.measured) if values.measured else None
    if config.num_classes is None:
        config = config.replace(10 if config.dataset == "digits" else 1000)
        print(f"--num_classes is not set. This plan assumes {config.num_classes}.\n")
    load("keras").config.set_dtype_policy(config.dtype_policy)
    model = building.make_model(config)
    counted = None
    if values.count:
        # The content of a loop is not counted, so attention is computed as a whole.
        whole = building.make_model(dataclasses.replace(config, attention_chunk_size=0))
        counting = load("sagan_tf.planning.counted_flops")
        counted = counting.step_count(whole, config.batch_size)
    plan = planning.Plan(
        model, config.batch_size, config.total_steps, config.dtype_policy, counted
    )
    keys = [device.key for device in planning.DEVICES]
    prices = {key: values[f"{key}_price_per_hour"].value for key in keys}
    page = load("sagan_tf.planning.page")
    print(page.plan_text(plan, prices, values.utilisation, measured))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_plan, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
