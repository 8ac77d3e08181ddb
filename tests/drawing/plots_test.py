"""metrics.png: which panels and lines, gaps, axes; looks are for eyes."""

import subprocess
import sys

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from sagan_tf.drawing.plots import write_curves, write_metrics_plot


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draws, and returns a dict of title to `matplotlib.axes.Axes`."""
    drawn = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure, *arguments, **options):
        drawn.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)

    def draw(metrics, evaluations=(), title="a run"):
        write_metrics_plot(tmp_path / "metrics.png", metrics, evaluations, title)
        return {axes.get_title("left"): axes for axes in drawn[-1].axes}

    return draw


def training(count=5, **changes):
    return [
        {
            **{"step": 10 * i, "images": 80 * i, "images_per_second": 9.0, "time": ""},
            **{"g_loss": 0.1 * i, "d_loss": 2 - 0.1 * i, "d_accuracy": 0.7},
            **{"real_logits": 1.0, "fake_logits": -0.5 * i},
            **{"gamma_g_attention_16x16": 0.01 * i, "gamma_d_attention_16x16": 0.0},
            **changes,
        }
        for i in range(1, count + 1)
    ]


def evaluation(step, protocol="quick-5k", network="Inception", **metrics):
    return {
        "step": step,
        "protocol": {"name": protocol, "num_fake": 5000},
        "network": {"name": network, "hash": "0123"},
        "metrics": metrics,
    }


def written(axes):
    """What stands in a panel without curves."""
    return [text.get_text() for text in axes.texts]


def lines(axes):
    """The lines of a panel by label, as lists of (step, value)."""
    return {
        line.get_label(): list(zip(line.get_xdata(), line.get_ydata()))
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def marked(axes):
    """The points that stand out, as (step, value)."""
    points = [line for line in axes.lines if line.get_marker() == "o"]
    return [(x, y) for p in points for x, y in zip(p.get_xdata(), p.get_ydata())]


def test_the_picture_is_1200_pixels_wide_and_alone_in_its_folder(tmp_path):
    write_metrics_plot(tmp_path / "metrics.png", training())
    with Image.open(tmp_path / "metrics.png") as picture:
        picture.load()
        assert (picture.format, picture.width) == ("PNG", 1200)
        assert len(picture.convert("RGB").getcolors(2**24)) > 5
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.png"]


def test_training_has_a_panel_each_for_losses_logits_accuracy_and_gammas(draw):
    panels = draw(training(2))
    assert list(panels) == [
        "Losses",
        "Mean logits of the discriminator",
        "Accuracy of the discriminator",
        "Gammas of attention",
    ]
    assert lines(panels["Losses"]) == {
        "generator": [(10, 0.1), (20, 0.2)],
        "discriminator": [(10, 1.9), (20, 1.8)],
    }
    gammas = lines(panels["Gammas of attention"])
    assert list(gammas) == ["generator, 16x16", "discriminator, 16x16"]
    assert gammas["generator, 16x16"] == [(10, 0.01), (20, 0.02)]


def test_what_was_never_measured_has_no_panel(draw):
    records = [
        {"step": step, "g_loss": 2.0, "d_loss": None, "d_accuracy": None}
        for step in (1, 2)
    ]
    panels = draw(records)
    assert list(panels) == ["Losses"]
    assert lines(panels["Losses"]) == {"generator": [(1, 2.0), (2, 2.0)]}


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), "missing"])
def test_what_is_no_number_leaves_a_gap(draw, nothing):
    records = training(4)
    if nothing == "missing":
        del records[1]["g_loss"]
    else:
        records[1]["g_loss"] = nothing
    steps, values = zip(*lines(draw(records)["Losses"])["generator"])
    assert steps == (10, 20, 30, 40)
    np.testing.assert_array_equal(np.isnan(values), [False, True, False, False])


def test_single_values_are_written(draw):
    panels = draw(training(1))
    assert written(panels["Accuracy of the discriminator"]) == ["0.7", "step 10"]
    assert written(panels["Losses"]) == [
        *("0.1", "generator, step 10", "1.9", "discriminator, step 10")
    ]
    assert written(draw(training(2))["Losses"]) == []


def test_a_point_between_gaps_is_marked_among_many(draw):
    records = training(100)
    records[49]["d_accuracy"] = records[51]["d_accuracy"] = None
    assert marked(draw(records)["Accuracy of the discriminator"]) == [(510, 0.7)]


def test_of_many_points_the_running_mean_stands_in_front_of_them(draw):
    random = np.random.default_rng(0)
    accuracy = random.uniform(size=500)
    records = training(500)
    for record, value in zip(records, accuracy):
        record["d_accuracy"] = value
    records[250]["d_accuracy"] = None
    raw, mean, *_ = draw(records)["Accuracy of the discriminator"].lines
    accuracy[250] = np.nan
    np.testing.assert_array_equal(raw.get_ydata(), accuracy)
    assert raw.get_alpha() < 0.5
    assert np.flatnonzero(np.isnan(mean.get_ydata())).tolist() == [250]
    # A window of a fiftieth, 10 points, around each that has all of it.
    np.testing.assert_allclose(mean.get_ydata()[100], accuracy[95:105].mean())
    np.testing.assert_allclose(mean.get_ydata()[252], np.nanmean(accuracy[247:257]))


def test_up_to_200_points_nothing_is_averaged(draw):
    assert len(draw(training(200))["Losses"].lines[0].get_ydata()) == 200
    assert draw(training(200))["Losses"].lines[0].get_alpha() is None


def test_fid_of_another_network_is_never_called_fid(draw):
    panels = draw(
        [],
        [
            evaluation(1, fid=9.0, inception_score=3.0),
            evaluation(1, network="digits-cnn", fid=5.0, class_accuracy=0.5),
            evaluation(1, network="stand-in-01234567", fid=2.0),
        ],
    )
    assert list(panels) == [
        "FID",
        "IS",
        "FID in the feature space of digits-cnn",
        "Class accuracy in the feature space of digits-cnn",
        "FID in the feature space of stand-in-01234567",
    ]
    assert written(panels["FID"]) == ["9", "quick-5k, step 1"]


def test_each_protocol_has_a_line_over_rising_steps_with_its_best_value(draw):
    panels = draw(
        [],
        [
            evaluation(3000, fid=4.0, inception_score=2.0),
            evaluation(1000, fid=8.0, inception_score=5.0),
            evaluation(2000, "biggan-train-full", fid=3.0),
            evaluation(1000, fid=7.0, inception_score=5.0),  # Once more: it counts.
            evaluation(None, fid=0.1),  # A folder of pictures.
        ],
    )
    assert lines(panels["FID"]) == {
        "quick-5k, best 4 at 3,000": [(1000, 7.0), (3000, 4.0)],
        "biggan-train-full": [(2000, 3.0)],
    }
    assert lines(panels["IS"]) == {
        "quick-5k, best 5 at 1,000": [(1000, 5.0), (3000, 2.0)]
    }


def test_precision_and_recall_share_a_panel_and_so_do_density_and_coverage(draw):
    panels = draw(
        [],
        [
            evaluation(i, precision=0.1, recall=0.2, density=0.3, coverage=None)
            for i in (1, 2)
        ],
    )
    assert {title: lines(axes) for title, axes in panels.items()} == {
        "Precision and recall": {
            "precision, quick-5k": [(1, 0.1), (2, 0.1)],
            "recall, quick-5k": [(1, 0.2), (2, 0.2)],
        },
        "Density and coverage": {"density, quick-5k": [(1, 0.3), (2, 0.3)]},
    }


@pytest.mark.parametrize(
    ("values", "scale"),
    [((20, 150), "linear"), ((20, 250), "log"), ((0, 250), "linear")],
)
def test_only_fids_that_span_a_factor_of_ten_get_a_logarithmic_axis(
    draw, values, scale
):
    panels = draw(
        [],
        [evaluation(i, fid=v, inception_score=v) for i, v in enumerate(values)],
    )
    assert panels["FID"].get_yscale() == scale
    assert panels["IS"].get_yscale() == "linear"


def test_numbers_on_the_axes_have_thousands_separators(draw):
    axes = draw(
        training(2), [evaluation(step, fid=2345.0) for step in (500, 1_000_000)]
    )["FID"]
    assert axes.xaxis.get_major_formatter()(200_000) == "200,000"
    assert axes.yaxis.get_major_formatter()(2345.0) == "2,345"
    # All panels have the steps of all.
    assert axes.get_xlim()[0] <= 10 < 1_000_000 <= axes.get_xlim()[1]


def test_with_nothing_to_draw_the_picture_says_so(draw, tmp_path):
    assert draw([]) == {}
    assert draw([{"step": 1, "d_loss": None}], [evaluation(None, fid=1.0)]) == {}
    assert (tmp_path / "metrics.png").exists()


def test_a_spread_is_a_band(tmp_path):
    pictures = []
    for name, spreads in (("a.png", [0, 0, 0]), ("b.png", [1, 1, 2])):
        curve = ([1, 2, 3], [5.0, 4.0, None], spreads)
        write_curves(tmp_path / name, {"FID": {"one": curve}})
        with Image.open(tmp_path / name) as picture:
            pictures.append(np.asarray(picture.convert("RGB"), int))
    assert pictures[0].shape == pictures[1].shape
    # Pale blue: neither white nor the line's own colour.
    pale = [
        ((p[..., 2] > 225) & (p[..., 0] > 180) & (p[..., 0] < 225)).sum()
        for p in pictures
    ]
    assert pale[1] > pale[0] + 1000


def test_a_failed_write_leaves_the_old_picture_alone(tmp_path, monkeypatch):
    def save_half(figure, path, format):
        with open(path, "wb") as file:
            file.write(b"half a pic")
        raise OSError(28, "No space left on device")

    path = tmp_path / "metrics.png"
    write_metrics_plot(path, training())
    before = path.read_bytes()
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", save_half)
    with pytest.raises(OSError, match="No space left on device: '.*/metrics.png'"):
        write_metrics_plot(path, training(9))
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.png"]


def test_matplotlib_is_imported_late_and_never_pyplot(tmp_path):
    program = (
        "import sys; from sagan_tf.drawing.plots import write_metrics_plot\n"
        "print('matplotlib' in sys.modules, 'tensorflow' in sys.modules)\n"
        f"write_metrics_plot({str(tmp_path / 'a.png')!r}, [dict(step=1, g_loss=2.0)])\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)\n"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output.split() == ["False", "False", "True", "False"]


@pytest.mark.parametrize("steps", [(1, 2), (1,)], ids=["curves", "values"])
def test_a_dollar_sign_starts_no_formula(draw, steps):
    odd = "a$^$b"
    evaluations = [
        evaluation(step, protocol, odd, fid=1.0)
        for step in steps
        for protocol in (odd, "other")
    ]
    draw([], evaluations, odd)
