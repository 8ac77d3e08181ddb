"""What the command finds and writes, with a run whose gammas are known."""

import json

import numpy as np
import pytest
from attention_runs import DATA, make_run

from sagan_tf.attention_maps.measures import measure, pick_queries
from sagan_tf.attention_maps.report import make_report
from sagan_tf.attention_maps.subjects import generated_images
from sagan_tf.networks.attention_scores import attention_maps_of
from sagan_tf.run import building, directory


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("my run")
    make_run(workdir)
    return workdir


@pytest.fixture(scope="module")
def report(workdir):
    return make_report(workdir, seeds=[3, 8], with_page=True)


def generator_map(workdir, seed):
    generator, config, *_ = building.load_generator(workdir)
    chosen = generated_images(config, [seed], [])
    inputs = [chosen.z, chosen.labels]
    return next(attention_maps_of(generator, inputs))[1][0]


def test_views_come_image_after_image(report):
    found = [(index, view.network) for index, view in report.views]
    assert found == [
        (0, "generator"),
        (0, "discriminator"),
        (1, "generator"),
        (1, "discriminator"),
    ]
    assert report.views[2][1].title == report.images.titles[1]
    assert report.title == f"{report.title.split(',')[0]}, step 4"
    assert report.title.startswith("my run")


def test_queries_are_picked_on_each_map(report, workdir):
    expected = pick_queries(generator_map(workdir, 8).scores, 5)
    view = report.views[2][1]
    assert [query.cell for query in view.queries] == expected


def test_points_are_the_same_on_all_maps(workdir):
    found = make_report(workdir, seeds=[3], points=[(31, 0), (4, 9)])
    for _, view in found.views:
        assert [query.cell for query in view.queries] == [(0, 15), (4, 2)]


def test_a_point_outside_the_image_is_refused_before_anything_is_computed(
    workdir, monkeypatch
):
    def never(*arguments):
        raise AssertionError("computed")

    monkeypatch.setattr("sagan_tf.attention_maps.report.generated_images", never)
    with pytest.raises(ValueError, match=r"0\.\.31\. Received: 32,0"):
        make_report(workdir, seeds=[3], points=[(32, 0)])


def test_the_averaged_generator_is_looked_at_unless_told_otherwise(workdir):
    gammas = [
        make_report(workdir, seeds=[3], network="generator", ema=ema).layers[0]["gamma"]
        for ema in (True, False)
    ]
    assert gammas == [0.25, 0.5]


def test_an_older_checkpoint_without_effect_says_so(workdir):
    found = make_report(workdir, seeds=[3], checkpoint="2")
    assert found.step == 2
    assert [layer["has_effect"] for layer in found.layers] == [False, False]
    assert found.text().count("no effect: the layer passes its input on unchanged") == 2


def test_the_text_is_a_table_of_the_layers(report, workdir):
    lines = report.text().splitlines()
    assert len(lines) == 3
    figures = [measure(generator_map(workdir, seed).scores, 32) for seed in (3, 8)]
    bits, pixels = (
        np.mean([each[name] for each in figures])
        for name in ("entropy_bits", "distance_pixels")
    )
    assert lines[1].split()[:3] == ["4", "generator", "attention_16x16"]
    assert " 0.25 " in lines[1]
    assert f"{bits:.2f} bits" in lines[1] and f"{pixels:.1f} px" in lines[1]


@pytest.mark.slow
def test_the_history_is_one_table(workdir):
    found = make_report(workdir, seeds=[3], with_history=True)
    steps = [line.split()[0] for line in found.text().splitlines()[1:]]
    assert steps == ["2", "2", "4", "4"]


@pytest.mark.slow
def test_gammas_of_networks_that_are_not_shown_are_left_out(tmp_path):
    make_run(tmp_path)
    line = {"step": 1, "gamma_g_attention_16x16": 0.1, "gamma_d_attention_16x16": 0.2}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    found = make_report(tmp_path, seeds=[3], network="generator", with_history=True)
    assert found.gammas == {("generator", "attention_16x16"): [(1, 0.1)]}


def test_files_are_written_beside_one_another(report, tmp_path):
    paths = report.write(tmp_path / "new" / "a.png", tmp_path / "other" / "page.html")
    assert paths == [
        tmp_path / "new" / "a.png",
        tmp_path / "new" / "a.json",
        tmp_path / "other" / "page.html",
    ]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "my run" in paths[2].read_text()
    assert "2 generated images, averaged weights" in paths[2].read_text()
    told = json.loads(paths[1].read_text())
    assert told["step"] == 4 and told["images"] == "generated"
    assert told["averaged_generator"] is True and told["history"] == []
    assert [each["number"] for each in told["pictures"]] == [3, 8]
    assert told["pictures"][1]["label"] == int(report.images.labels[1])
    layers = told["pictures"][1]["layers"]
    assert [each["network"] for each in layers] == ["generator", "discriminator"]
    assert layers[0] == json.loads(json.dumps(report.views[2][1].as_dict()))
    assert told["layers"] == report.layers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": "10"}, "labels must be below 10"),
        ({"seeds": list(range(76))}, "1 to 150 rows.*Received: 152"),
        ({"images": "real", "network": "generator"}, "sees no real images"),
    ],
)
def test_what_cannot_be_shown_is_named(workdir, arguments, words):
    with pytest.raises(ValueError, match=words):
        make_report(workdir, **{"seeds": [3], **arguments})


def test_a_page_that_is_too_large_is_refused_before_anything_is_computed(
    workdir, monkeypatch
):
    monkeypatch.setattr("sagan_tf.attention_maps.page.MOST_BYTES", 2**17)
    monkeypatch.setattr("sagan_tf.attention_maps.report.generated_images", None)
    with pytest.raises(ValueError, match="at most 3 image"):
        make_report(workdir, seeds=list(range(4)), with_page=True)


@pytest.mark.slow
def test_a_run_without_a_discriminator_is_reported_on(tmp_path):
    config = make_run(tmp_path / "run")
    networks = building.load_networks(tmp_path / "run")
    checkpoints = directory.prepare(tmp_path / "imported", config, DATA)
    checkpoints.write(3, {"ema_generator": networks[0]})
    report = make_report(tmp_path / "imported", seeds=[0], with_history=True)
    assert [each["network"] for each in report.layers] == ["generator"]
    assert [record["step"] for record in report.history] == [3]
