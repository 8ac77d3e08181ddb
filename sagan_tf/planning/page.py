"""The page that `sagan_tf.plan` prints about a `Plan`."""

import itertools
import math

from sagan_tf.model import overview
from sagan_tf.planning import flops
from sagan_tf.planning.plan import DAY, DEVICE_COUNTS, DEVICES, UTILIZATIONS

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


def plan_text(plan, prices, utilizations=UTILIZATIONS, measured=None):
    """Returns the page about work, memory, time and cost of a run: str.

    Args:
        plan: `Plan`.
        prices: dict of a device's key to US dollars per hour of one chip, or `None`.
        utilizations: shares of the peak, in (0, 1].
        measured: the result of `read_measurement`, or `None`.
    """
    if measured:
        utilizations = (*utilizations, measured["utilization"])
    return "\n\n".join(
        [
            _work_text(plan),
            _attention_text(plan),
            overview.memory_table(plan.memory(plan.images(1))).replace(
                "each device", f"one device, {plan.images(1)} images in a pass"
            ),
            _devices_text(plan, prices, sorted(set(utilizations))),
            _sources_text(plan, prices),
            _measured_text(plan, measured),
        ]
    )


def amount(value, unit):
    """Writes a large number as text: `amount(3.8254e13, "FLOP")` is "38.25 TFLOP"."""
    exponent = int(math.log10(value)) // 3 if value >= 1 else 0
    exponent = min(exponent, len(_PREFIXES) - 1)
    return f"{value / 1000**exponent:.4g} {_PREFIXES[exponent]}{unit}"


def _work_text(plan):
    forward = [flops.forward_flops(n) for n in plan.networks]
    step = plan.step_flops
    total = sum(step.values())
    rows = [
        ("generator, forward, per image", forward[0]),
        ("discriminator, forward, per image", forward[1]),
        ("training, per image of the batch", total / plan.batch_size),
        (f"a step of {plan.batch_size:,} images", total),
        ("  generator step", step["generator_step"]),
        ("  discriminator step", step["discriminator_step"]),
        ("  spectral normalization", step["spectral_norm"]),
        (f"{plan.total_steps:,} steps", total * plan.total_steps),
    ]
    lines = ["Work by formula (2 FLOPs per multiply-add, sagan_tf/planning/flops.py)"]
    lines += [f"  {name:<40}{amount(value, 'FLOP'):>16}" for name, value in rows]
    if plan.counted_flops:
        share = f"{100 * plan.counted_flops / total:.1f} % of the formula's"
        counted = amount(plan.counted_flops, "FLOP")
        lines.append(f"  {'a step, as TensorFlow counts':<40}{counted:>16}, {share}")
    else:
        lines += [
            "  TensorFlow has not counted: days and dollars follow from the formula.",
            "  A step computes about half of that, so both are about twice too high.",
            "  Try without --nocount.",
        ]
    return "\n".join(lines)


def _attention_text(plan):
    images = plan.images(1)
    lines = [f"Attention: one map of {images} images, float32"]
    for network in plan.networks:
        for name, queries, keys, together in overview.attention_maps(network):
            size = 4 * images * (together or queries) * keys / 2**20
            title = f"{network.name} {name}, {queries:,} x {keys:,}"
            form = f"{together:,} queries at a time" if together else "whole"
            lines.append(f"  {title:<42}{size:>10,.0f} MiB, {form}")
    return "\n".join(lines if len(lines) > 1 else ["Attention: none"])


def _devices_text(plan, prices, utilizations):
    heads = "".join(f"{f'{100 * share:.3g} % of peak':>20}" for share in utilizations)
    lines = [
        f"Days and US dollars of {plan.total_steps:,} steps, {plan.dtype_policy}",
        f"  {'':<14}{'images':>7}{'memory':>9}{'roofline':>11}{heads}",
    ]
    notes = []
    for device, count in itertools.product(DEVICES, DEVICE_COUNTS):
        name, images = f"{count} x {device.name}", plan.images(count)
        size = sum(plan.memory(images).values()) / 1e9
        seconds = plan.total_steps * plan.roofline_seconds(device, count)
        line = f"  {name:<14}{images:>7,}{size:>6,.0f} GB{seconds / DAY:>9,.2f} d"
        for share in utilizations:
            days = plan.days(count * share * device.peak(plan.dtype_policy))
            dollars = 24 * days * count * _price(device, prices)[0]
            line += f"{days:>9,.2f} d{dollars:>7,.0f} $"
        lines.append(line)
        if not plan.fits(images, device):
            passes = plan.accumulation_that_fits(device, count)
            advice = f". Try --gradient_accumulation_steps={passes}."
            if passes is None:
                advice = ", even with one image in a pass."
            notes.append(f"  {name}: exceeds its {device.memory / 1e9:.0f} GB{advice}")
    return "\n".join([*lines, *notes])


def _sources_text(plan, prices):
    lines = ["Sources and assumptions"]
    for device in DEVICES:
        peak = amount(device.peak(plan.dtype_policy), "FLOP/s")
        price, origin = _price(device, prices)
        lines += [
            f"  {device.name}: {peak}, {device.memory / 1e9:.0f} GB, "
            f"{device.bandwidth / 1e9:,.0f} GB/s: {device.source}.",
            f"    {price:.2f} $ an hour: {origin}.",
        ]
    lines += [
        "  images: in one pass on each device. Memory: an upper estimate.",
        "  roofline: the time if only the products took time, at full speed.",
        "  % of peak: computed FLOP/s over the peak, an example and not a forecast.",
        "  No GPU and no TPU has been measured with this code. Checkpoints and",
        "  evaluations take additional time.",
    ]
    return "\n".join(lines)


def _price(device, prices):
    """Returns the dollars per hour, and where the price comes from."""
    flag = f"--{device.key}_price_per_hour"
    given = prices.get(device.key)
    if given is None:
        return device.price, f"an assumption, set yours with {flag}"
    return given, flag


def _measured_text(plan, measured):
    if not measured:
        return (
            "No measurement is given. Try python scripts/benchmark.py "
            "--part=train_step,data --json > measured.json, and "
            "--measured=measured.json."
        )
    lines = [
        f"Measured: {measured['text']}",
        f"  The training step reaches {100 * measured['utilization']:.1f} % of the "
        "speed of a matrix product there.",
        f"  This run would take {plan.days_where(measured):,.0f} days there.",
    ]
    rate = measured["images_per_core_second"]
    if not rate:
        return "\n".join(lines)
    lines.append(f"  One core of that machine reads {rate:,.0f} JPEGs/s.")
    per_image = plan.computed_flops / plan.batch_size
    for device in DEVICES:
        for share in UTILIZATIONS:
            needed = share * device.peak(plan.dtype_policy) / per_image
            needed *= plan.model.discriminator_steps
            lines.append(
                f"    1 x {device.name} at {100 * share:.0f} % of peak takes "
                f"{needed:,.0f} images/s: {needed / rate:.1f} such cores."
            )
    return "\n".join(lines)
