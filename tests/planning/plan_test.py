"""Arithmetic of plans: days, memory, bounds, measurements."""

import dataclasses
import json
import math

import keras
import pytest

from sagan_tf import SAGAN
from sagan_tf.planning.plan import (
    DEVICES,
    Device,
    Plan,
    read_measurement,
)

DEVICE = Device("x", "X", 1e9, 2e9, 1e9, 1e8, 1.0, "")


def dense(*sizes):
    inputs = x = keras.Input((sizes[0],))
    for size in sizes[1:]:
        x = keras.layers.Dense(size, use_bias=False)(x)
    return keras.Model(inputs, x)


def gives_one(network):
    """The network with the sum of its outputs, which costs no product."""
    total = keras.ops.sum(network.output, axis=-1, keepdims=True)
    return keras.Model(network.input, total)


def plan(**changes):
    """A 3 -> 5 -> 7 generator and a 7 -> 2 discriminator."""
    model = SAGAN(dense(3, 5, 7), gives_one(dense(7, 2)))
    return Plan(model, **{"batch_size": 8, "total_steps": 100, **changes})


def test_days_are_flops_over_speed():
    first, second, last = 2 * 3 * 5, 2 * 5 * 7, 2 * 7 * 2
    # The generator's step: no gradient into z, none of D's weights. D's step: G once,
    # D on twice the images, no gradient into them.
    generator_step = 2 * first + 3 * second + 2 * last
    discriminator_step = first + second + 2 * 2 * last
    flops = 100 * 8 * (generator_step + discriminator_step)
    assert plan().days(1e6) == pytest.approx(flops / 1e6 / 86400)


def test_what_is_counted_takes_the_time_and_the_formula_compares_machines():
    formula = sum(plan().step_flops.values())
    counted = plan(counted_flops=formula // 2)
    assert counted.days(1e6) == pytest.approx(plan().days(1e6) / 2)
    measured = {"formula_flops_per_second": 1e6}
    assert counted.days_where(measured) == plan().days_where(measured)
    assert plan().days_where(measured) == plan().days(1e6)


def test_no_product_is_faster_than_peak_or_bandwidth():
    step = sum(plan().step_flops.values())
    endless = dataclasses.replace(DEVICE, bandwidth=1e30)
    assert plan().roofline_seconds(endless, 1) == pytest.approx(step / 1e9)
    half = plan(dtype_policy="mixed_bfloat16")
    assert half.roofline_seconds(endless, 1) == pytest.approx(step / 2e9)
    # Without limits of arithmetic it is bytes: of images and of weights.
    fast = dataclasses.replace(DEVICE, float32=1e30)
    moved = sum(
        times * 4 * (8 * product.values + math.prod(product.kernel))
        for product, times in plan().step_products
    )
    assert plan().roofline_seconds(fast, 1) == pytest.approx(moved / 1e8)
    # Each product has the limit that is its own.
    both = dataclasses.replace(DEVICE, bandwidth=moved / step * 1e9)
    assert plan().roofline_seconds(both, 1) > 1.01 * step / 1e9


def test_code_that_computes_half_has_half_the_bound():
    half = plan(counted_flops=sum(plan().step_flops.values()) / 2)
    whole = plan().roofline_seconds(DEVICE, 1)
    assert half.roofline_seconds(DEVICE, 1) == pytest.approx(whole / 2)
    more = plan(counted_flops=10**9)
    assert more.roofline_seconds(DEVICE, 1) == pytest.approx(whole)


def test_two_devices_share_the_images_but_not_the_weights():
    one, two = (plan().roofline_seconds(DEVICE, count) for count in (1, 2))
    assert one / 2 < two < one


def test_passes_are_added_until_a_replica_fits():
    large = plan(batch_size=64)
    one = large.memory_of_one["activations"]
    fixed = sum(large.memory(0).values())
    exact = dataclasses.replace(DEVICE, memory=fixed + 16 * one)
    assert large.accumulation_that_fits(exact, 1) == 4
    assert large.accumulation_that_fits(exact, 4) == 1
    assert large.accumulation_that_fits(dataclasses.replace(exact, memory=1), 1) is None


def test_every_device_says_where_its_figures_come_from():
    for device in DEVICES:
        assert device.source and device.half >= device.float32 > 1e12


REPORT = {
    "machine": {"processor": "P", "cores": 2},
    "settings": {"resolution": 128, "batch_size": 8, "dtype_policy": "float32"},
    "results": {
        "train_step": {"counted_share_of_matmul": 0.5, "flops_per_second": 1e11},
        "data": {"folder": [{"images_per_core_second": 300}]},
    },
}


def test_a_measurement_is_read(tmp_path):
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(REPORT))
    measured = read_measurement(path)
    assert measured["utilization"] == 0.5
    assert measured["formula_flops_per_second"] == 1e11
    assert measured["images_per_core_second"] == 300
    assert "128 pixels" in measured["text"]


def test_a_measurement_without_data_has_no_rate(tmp_path):
    path = tmp_path / "measured.json"
    results = {"train_step": REPORT["results"]["train_step"]}
    path.write_text(json.dumps({**REPORT, "results": results}))
    assert read_measurement(path)["images_per_core_second"] is None


@pytest.mark.parametrize("value", [None, "fast", 0, -1, float("inf")])
@pytest.mark.parametrize("name", ["counted_share_of_matmul", "flops_per_second"])
def test_a_speed_that_is_none_is_refused(tmp_path, name, value):
    step = {**REPORT["results"]["train_step"], name: value}
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({**REPORT, "results": {"train_step": step}}))
    with pytest.raises(ValueError, match="Try python scripts/benchmark.py"):
        read_measurement(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": {"fid": {}}}'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "measured.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="Try python scripts/benchmark.py"):
        read_measurement(path)
