"""Our figures are those of torch-fidelity, pytorch-fid, clean-fid and prdc."""

import numpy as np
import pytest

from sagan_tf.evaluation.metrics import peers

FIGURES = peers.figures()


def name(figure):
    settings = "-".join(str(figure[key]) for key in peers.SETTINGS if key in figure)
    return f"{figure['package']}-{figure['metric']}-{settings}"


@pytest.mark.slow
@pytest.mark.parametrize("figure", FIGURES, ids=name)
def test_our_figure_is_that_of_the_peer(figure):
    assert peers.measure(figure) == pytest.approx(
        figure["value"], rel=peers.tolerance(figure), abs=1e-12
    )


def test_every_metric_has_a_peer():
    assert {figure["metric"] for figure in FIGURES} == set(peers.TOLERANCES)
    assert {figure["package"] for figure in FIGURES} == {
        *("torch-fidelity", "pytorch-fid", "clean-fid", "prdc")
    }


@pytest.mark.parametrize("figure", FIGURES, ids=name)
def test_agreement_ends_at_the_tolerance(figure):
    limit = max(figure["value"] * peers.tolerance(figure), 1e-12)
    assert peers.agrees(figure, figure["value"] + 0.5 * limit)
    assert not peers.agrees(figure, figure["value"] + 2 * limit)
    assert not peers.agrees(figure, float("nan"))


def test_arrays_are_float32_and_cannot_be_changed():
    arrays = peers.arrays()
    assert set(arrays) == {"real", "fake", "few_real", "few_fake", "logits"}
    for values in arrays.values():
        assert values.dtype == np.float32
        with pytest.raises(ValueError):
            values[0, 0] = 0
