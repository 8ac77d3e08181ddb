"""What is said about the values of a look at a training."""

import numpy as np
import pytest

from sagan_tf.training import complaints


def good(**changes):
    """Figures that nobody complains of."""
    return {
        **{"diversity": 0.6, "logit_gap": 1.5, "sigma_generator/linear": 0.99},
        **{"gradient_norm_g": 2.0, "gradient_norm_d": 3.0, "nearest": 0.8},
        **changes,
    }


def kinds(figures, earlier=()):
    return [each.kind for each in complaints.complaints(figures, earlier)]


def test_looks_of_earlier_versions_are_of_use_too():
    old = {name: value for name, value in good().items() if name != "nearest"}
    assert kinds(old, [old] * 3) == []
    assert kinds(good(nearest=0.2), [old] * 3) == ["nearest"]


def test_nothing_is_said_of_good_figures():
    assert kinds(good(), [good()] * 3) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"diversity": 0.05}, "diversity"),
        ({"diversity": 0.05, "nearest": 0.05}, "diversity"),
        ({"nearest": 0.2}, "nearest"),
        ({"diversity": float("nan")}, "nonfinite"),
        ({"logit_gap": 9.0}, "logits"),
        ({"sigma_generator/linear": 0.5}, "sigma"),
        ({"gradient_norm_g": 1000.0}, "gradient_g"),
        ({"gradient_norm_d": 1000.0}, "gradient_d"),
        ({"gradient_norm_g": 1e-5}, "vanished"),
        ({"logit_gap": float("nan")}, "nonfinite"),
        ({"gradient_norm_g": float("inf")}, "nonfinite"),
    ],
)
def test_what_is_bad_is_named_with_a_remedy(change, kind):
    (complaint,) = complaints.complaints(good(**change), [good()] * 3)
    assert complaint.kind == kind
    assert "Try " in complaint.text
    warnings = ("nearest", "sigma", "gradient_g", "gradient_d")
    assert complaint.is_collapse == (kind not in warnings)


def test_half_precision_is_left_by_a_new_run():
    """A run refuses to change between mixed_float16 and float32."""
    (complaint,) = complaints.complaints(good(diversity=float("nan")))
    assert "--initialize_from" in complaint.text and "--workdir" in complaint.text


@pytest.mark.parametrize("bad", [{"diversity": 0.05}, {"logit_gap": 9.0}])
def test_nothing_but_nan_is_a_collapse_before_a_few_looks(bad):
    for looks in range(complaints.PATIENCE_LOOKS + 1):
        (complaint,) = complaints.complaints(good(**bad), [good()] * looks)
        assert complaint.is_collapse == (looks == complaints.PATIENCE_LOOKS)
    (complaint,) = complaints.complaints(good(logit_gap=float("inf")))
    assert complaint.is_collapse


def test_a_gradient_that_has_nearly_vanished_is_told_by_what_is_usual():
    looks = [good(gradient_norm_g=norm) for norm in (0.1, 2.0, 90.0)]
    assert kinds(good(gradient_norm_g=0.07), looks) == []
    (complaint,) = complaints.complaints(good(gradient_norm_g=0.05), looks)
    assert (complaint.kind, complaint.is_collapse) == ("vanished", True)
    assert "0.05, has vanished (below 0.06; usual: 2)" in complaint.text
    # A generator with small gradients all along is none that has stopped.
    small = [good(gradient_norm_g=0.01)] * 3
    assert kinds(good(gradient_norm_g=0.005), small) == []


def test_the_most_that_pictures_differed_is_told():
    looks = [good(diversity=value) for value in (0.2, 0.7, 0.4)]
    (complaint,) = complaints.complaints(good(diversity=0.05), looks)
    assert "its best was 0.700" in complaint.text


def test_a_look_is_read_back_from_json():
    look = {"step": 3, **good(logit_gap=None), "complaints": ["nonfinite"]}
    figures = complaints.values_of(look)
    assert set(figures) == set(good()) and np.isnan(figures["logit_gap"])
    # Earlier looks that were not finite tell nothing of what is usual.
    broken = complaints.values_of({**good(gradient_norm_g=None), "step": 4})
    assert kinds(good(), [broken, figures, good()]) == []


def test_a_large_gradient_is_usual_where_it_was_always_large():
    assert kinds(good(gradient_norm_g=1000.0), [good(gradient_norm_g=900.0)]) == []
    assert kinds(good(gradient_norm_g=1000.0)) == []


def test_the_worst_layer_is_named():
    figures = good(**{"sigma_discriminator/block_2/shortcut": 0.4})
    (complaint,) = complaints.complaints(figures)
    assert complaint.text.startswith(
        "discriminator/block_2/shortcut is divided by 0.40"
    )
