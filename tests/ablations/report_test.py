"""The report of an ablation, from run directories with invented metrics."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sagan_tf import ablate
from sagan_tf.ablations import report as ablation_report
from sagan_tf.training import complaints
from tests.tiny import FLAGS
from tests.training.complaints_test import good

CONFIG = {
    **FLAGS,
    "attention_resolution": [16],
    "num_classes": 10,
    "total_steps": 200,
}


def evaluation(step, fid, inception=False, protocol="quick-5k", **metrics):
    metrics = {
        "fid": fid,
        "inception_score": None if fid is None else 10 - fid,
        "class_accuracy": 0.5,
        "precision": 0.7,
        "recall": 0.25,
        **metrics,
    }
    name = "Inception" if inception else "digits-cnn"
    return {
        "subject": "checkpoint",
        "step": step,
        "num_fake": 500,
        "num_real": 400,
        "metrics": metrics,
        "protocol": {"name": protocol},
        "network": {"name": name, "hash": "a1", "is_inception": inception},
        "reference": {"content_hash": "b2"},
    }


def write(
    path, name, seed, fids=(), status=0, evaluations=(), last_look=None, **changes
):
    """A run directory; returns (name, seed)."""
    workdir = path / name / f"seed_{seed}"
    (workdir / "samples").mkdir(parents=True)

    def put(file, *values):
        text = "\n".join(json.dumps(value) for value in values) + "\n"
        (workdir / file).write_text(text)

    put("config.json", {**CONFIG, **changes})
    put("data.json", {"description": "digits"})
    # 40 images in a second: 2,000 images in 50 seconds, three times.
    speeds = [
        {"step": step, "images": 40 * step, "images_per_second": 40.0}
        for step in (50, 100, 150)
    ]
    put("metrics.jsonl", *speeds)
    looks = [*[good()] * complaints.PATIENCE_LOOKS, good(**last_look or {})]
    put("health.jsonl", *({"step": 150, **look} for look in looks))
    if fids or evaluations:
        put("evaluations.jsonl", *(evaluation(*pair) for pair in fids), *evaluations)
    if status is not None:
        command = ["python", "-m", "sagan_tf.train", name]
        put("outcome.json", {"status": status, "command": command})
    pixels = np.full((8, 120, 3), 20 * seed, "uint8")
    Image.fromarray(pixels).save(workdir / "samples" / "step_00000200.png")
    return name, seed


def report(path, cells, left_out=None, **setup):
    return ablation_report.write_report(path, cells, left_out, **setup).read_text()


def row(text, name):
    """The cells of a table's row."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_the_first_line_says_what_the_numbers_are(tmp_path):
    text = report(tmp_path, [write(tmp_path, "feat16", 0, [(200, 3.0)])])
    first = text.splitlines()[2]
    assert first.startswith("digits; 32 pixels, 200 steps of 4 images, widths 4 (G)")
    assert "Features of digits-cnn; protocol quick-5k: 500 generated" in first
    assert "These are not ImageNet numbers" in first


def test_imagenet_numbers_are_called_so_with_inception_alone(tmp_path):
    own = {"dataset": "tfds:imagenet2012", "resolution": 128}
    cell = write(tmp_path / "a", "feat16", 0, [(200, 3.0)], **own)
    assert "not ImageNet numbers" in report(tmp_path / "a", [cell])
    cell = write(tmp_path / "b", "feat16", 0, [(200, 3.0, True)], **own)
    assert "The paper's data set and size" in report(tmp_path / "b", [cell])


def test_a_cell_that_diverged_is_there_and_says_so(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)]),
        write(tmp_path, "feat16", 0, [(100, 9.0)], status=4),
        write(tmp_path, "feat8", 0, [(200, 5.0)]),
        write(tmp_path, "feat8", 1, [(100, 5.0)], status=4),
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["4.00", "5.00 (1 of 2 diverged)", "diverged"]
    assert (
        "feat16, seed 0: **diverged**: a loss or weight became NaN or infinite after "
        "step 150. Last evaluated at step 100: FID 9.00." in text
    )


def test_a_training_that_was_stopped_for_a_collapse_is_there_and_says_so(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)]),
        write(
            tmp_path,
            "sn_d_only",
            0,
            [(100, 99.0)],
            status=6,
            last_look={"diversity": 0.02},
        ),
    ]
    text = report(tmp_path, cells)
    assert row(text, "SN on D")[-3:-1] == ["collapsed", "collapsed"]
    assert (
        "sn_d_only, seed 0: **collapsed** and was stopped at step 150. Last evaluated "
        "at step 100: FID 99.00." in text
    )
    assert "diversity: Images of different z look alike" in text


def test_a_finished_training_that_has_collapsed_counts_and_is_named(tmp_path):
    cells = [write(tmp_path, "feat16", 0, [(200, 99.0)], last_look={"diversity": 0.02})]
    cells += [
        write(tmp_path, "no_attention", 0, [(200, 4.0)], last_look={"diversity": 0.2})
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["4.00", "99.00"]
    assert "feat16, seed 0: at step 150, diversity: Images" in text
    assert "no_attention, seed 0: at" not in text


def test_a_generator_that_draws_a_few_images_is_named(tmp_path):
    cells = [write(tmp_path, "sn_both", 0, [(200, 3.0)], last_look={"nearest": 0.3})]
    text = report(tmp_path, cells)
    assert "sn_both, seed 0: at step 150, nearest: The generator draws a few" in text


def test_what_has_no_place_is_named(tmp_path):
    cells = [write(tmp_path, "feat16", 0, [(200, 3.0)])]
    text = report(tmp_path, cells, {"feat64": "at 32 pixels nothing is so large"})
    assert "- feat64: left out, at 32 pixels nothing is so large." in text


def test_the_setup_of_the_flags_is_shown_if_there_is_one(tmp_path):
    other = [evaluation(200, 7.0, inception=True, protocol="official-train-50k")]
    cells = [
        write(tmp_path, "feat8", 0, [(200, 4.0)], evaluations=other),
        write(tmp_path, "feat16", 0, [(200, 3.0)]),
    ]
    setup = {"protocol": "official-train-50k", "feature_network": "inception"}
    assert row(report(tmp_path, cells, **setup), "FID") == ["7.00", "-"]
    setup["protocol"] = "biggan-train-full"
    assert row(report(tmp_path, cells, **setup), "FID") == ["4.00", "3.00"]


def test_runs_of_other_commands_in_the_folder_are_reported_too(tmp_path):
    write(tmp_path, "feat8", 3, [(200, 6.0)])
    cells = [write(tmp_path, "feat8", 0, [(200, 4.0)]), ("feat16", 0)]
    write(tmp_path, "no_attention", 0, [(200, 5.0)])
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["5.00", "5.00 ± 1.41", "-"]
    assert "feat16, seed 0: not begun." in text
    assert "3 of 4 runs have ended." in text


def test_sizes_are_those_of_the_networks(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)], attention_resolution=[]),
        write(tmp_path, "feat16", 0, [(200, 4.0)]),
    ]
    text = report(tmp_path, cells)
    plain, attending = row(text, "no_attention"), row(text, "feat16")
    # 16 channels at 16 x 16: 1.25 C^2 + 1.
    assert int(attending[0].replace(",", "")) - int(plain[0].replace(",", "")) == 321
    assert float(attending[2]) > float(plain[2]) > 0
    assert plain[3:] == ["40.0", "2.5"]


def test_sizes_are_counted_again_for_another_batch(tmp_path):
    cells = [write(tmp_path, "feat16", 0, [(200, 4.0)])]
    before = row(report(tmp_path, cells), "feat16")
    (config,) = tmp_path.glob("feat16/seed_0/config.json")
    config.write_text(json.dumps({**CONFIG, "batch_size": 8}))
    after = row(report(tmp_path, cells), "feat16")
    assert after[:2] == before[:2]
    assert float(after[2]) == pytest.approx(2 * float(before[2]), rel=0.1)


def test_grids_are_side_by_side(tmp_path):
    names = ["sn_d_only", "sn_both", "no_attention", "feat8", "feat16"]
    cells = [write(tmp_path, name, 0, [(200, 4.0)]) for name in names]
    text = report(tmp_path, cells)
    assert "![Sample grids](samples.png)" in text
    assert "![FID and IS over the steps](stabilisation.png)" in text
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.width == 4 * 120 + 3 * 16
    with Image.open(tmp_path / "stabilisation.png") as curves:
        assert curves.width == 1200


def test_a_curve_is_the_mean_of_the_seeds_with_their_deviation(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        ablation_report,
        "write_curves",
        lambda path, panels, title: drawn.update(panels),
    )
    cells = [
        write(tmp_path, "no_attention", 0, [(100, 9.0), (200, 4.0)]),
        write(tmp_path, "no_attention", 1, [(100, 7.0)]),
        write(tmp_path, "no_attention", 2, [(100, None)]),
        write(tmp_path, "sn_both", 0, [(100, None)]),
    ]
    assert "stabilisation.png" in report(tmp_path, cells)
    assert list(drawn["FID"]) == ["SN on G and D, TTUR"]
    steps, means, deviations = drawn["FID"]["SN on G and D, TTUR"]
    assert (steps, means) == ([100, 200], [8.0, 4.0])
    # Of a sample: sqrt((1 + 1) / (2 - 1)).
    assert deviations == [pytest.approx(2**0.5), 0.0]


def test_without_values_there_are_no_curves(tmp_path):
    cells = [write(tmp_path, "sn_both", 0, [(100, None)]), ("no_attention", 0)]
    assert "stabilisation.png" not in report(tmp_path, cells)
    assert not (tmp_path / "stabilisation.png").exists()


def sample_sheet(path, *sizes):
    """The sheet of cells whose last grids have these widths and heights."""
    cells = []
    for index, size in enumerate(sizes):
        name = f"cell {index}"
        cells.append(write(path, name, 0))
        grid = path / name / "seed_0" / "samples" / "step_00000200.png"
        Image.new("L", size, 40 * index).save(grid)
    report(path, cells)
    with Image.open(path / "samples.png") as sheet:
        return np.asarray(sheet)


def test_grids_stand_under_their_names(tmp_path):
    pixels = sample_sheet(tmp_path, (120, 40), (100, 60), (80, 8), (9, 9), (60, 60))
    assert pixels.shape[1] == 4 * 120 + 3 * 16
    head = pixels.shape[0] // 2 - 60 - 8 + 8
    # The second grid, gray 40, in its place, and a name above it.
    row = (pixels == 40).all(-1)
    assert row.sum() >= 100 * 60
    assert row[:, 136:236].any() and not row[:, :120].all(1).any()
    assert (pixels[:head, 136:236] < 100).any()


def test_a_copied_grid_is_left_out(tmp_path):
    cell = write(tmp_path, "feat16", 0)
    folder = tmp_path / "feat16" / "seed_0" / "samples"
    Image.new("L", (9, 9)).save(folder / "step_00000300 (1).png")
    report(tmp_path, [cell])
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.width == 120


def test_a_report_is_written_of_what_is_there(tmp_path, capsys):
    write(tmp_path, "feat16", 0, [(200, 3.0)])
    command = ["ablate", "--report_only", f"--workdir={tmp_path}"]
    assert ablate.main(command) == 0
    assert row((tmp_path / "report.md").read_text(), "feat16")
    assert capsys.readouterr().out == f"Report: {tmp_path}/report.md\n"


def test_large_grids_are_reduced(tmp_path):
    assert sample_sheet(tmp_path, (3000, 200)).shape[1] == 640


def test_a_report_of_nothing_says_so(tmp_path):
    text = report(tmp_path, [("feat16", 0)])
    assert "Nothing has been evaluated yet." in text
    assert "feat16, seed 0: not begun." in text


@pytest.mark.parametrize("file", ["metrics.jsonl", "health.jsonl", "samples"])
def test_files_that_are_not_there_yet_are_no_obstacle(tmp_path, file):
    cell = write(tmp_path, "feat16", 0, [(200, 3.0)])
    (tmp_path / "feat16" / "seed_0" / file).rename(tmp_path / "elsewhere")
    assert "feat16" in report(tmp_path, [cell])


def test_a_half_written_line_is_no_obstacle(tmp_path):
    cells = [write(tmp_path, name, 0, [(200, 3.0)]) for name in ("feat8", "feat16")]
    with open(tmp_path / "feat8" / "seed_0" / "evaluations.jsonl", "a") as file:
        file.write('{"subject": "checkp')
    assert row(report(tmp_path, cells), "FID") == ["3.00", "3.00"]
