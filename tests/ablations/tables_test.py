"""The tables of a report: means over seeds, what is missing, published values."""

from sagan_tf.ablations import tables
from tests.ablations.report_test import evaluation, report, row, write


def test_mean_and_deviation_are_over_seeds(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(100, 9.0), (200, 4.0)]),
        write(tmp_path, "no_attention", 1, [(100, 7.0), (200, 6.0)]),
        write(tmp_path, "feat16", 0, [(200, 3.0)]),
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["5.00 ± 1.41", "3.00"]
    assert row(text, "IS") == ["5.00 ± 1.41", "7.00"]
    assert row(text, "recall") == ["0.250 ± 0.000", "0.250"]


def test_what_has_not_ended_does_not_count(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)]),
        write(tmp_path, "no_attention", 1, [(100, 9.0)], status=None),
        write(tmp_path, "feat16", 0, [(100, 2.0)]),
    ]
    text = report(tmp_path, cells)
    # The last one has no evaluation of its last step.
    assert row(text, "FID") == ["4.00 (1 of 2 runs)", "-"]
    assert "no_attention, seed 1: not finished (step 150). Last evaluated" in text
    assert "feat16, seed 0: the last step has no evaluation of this kind." in text


def test_the_last_of_two_evaluations_of_a_step_counts(tmp_path):
    fids = [(200, 9.0), (200, 4.0), (100, 8.0)]
    cells = [write(tmp_path, name, 0, fids) for name in ("feat8", "feat16")]
    assert row(report(tmp_path, cells), "FID") == ["4.00", "4.00"]


def test_metrics_of_different_protocols_are_not_mixed(tmp_path):
    other = [evaluation(200, 7.0, protocol="official-train-50k")]
    cells = [
        write(tmp_path, "feat8", 0, [(200, 4.0)], evaluations=other),
        write(tmp_path, "feat16", 0, [(200, 3.0)]),
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["4.00", "3.00"]
    assert "protocol quick-5k" in text


def test_a_metric_that_is_not_finite_is_a_dash(tmp_path):
    cells = [write(tmp_path, name, 0, [(200, None)]) for name in ("sn_both", "feat8")]
    cells += [write(tmp_path, "no_attention", 0, [(100, None), (200, 4.0)])]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["4.00", "-"]


def test_published_values_stand_below_ours(tmp_path):
    cells = [
        write(tmp_path, name, 0, [(200, 4.0)])
        for name in ("no_attention", "residual_feat8", "ac_gan")
    ]
    text = report(tmp_path, cells)
    assert row(text, "*paper, FID*") == ["*22.96*", "*42.13*"]
    assert row(text, "*paper, IS*") == ["*42.87*", "*23.17*"]
    ac_gan = row(text, "AC-GAN (class losses in our network)")
    assert ac_gan[:5] == ["4.00", "6.00", "0.700", "0.250", "0.500"]
    assert ac_gan[5:] == ["-", "*28.50*"]


def test_single_settings_stand_beside_their_base(tmp_path):
    cells = [
        write(tmp_path, "feat32", 0, [(200, 4.0)]),
        write(tmp_path, "paper_icml", 0, [(200, 5.0)]),
    ]
    text = report(tmp_path, cells)
    assert row(text, "nothing") == ["4.00", "6.00", "0.700", "0.250"]
    assert row(text, "paper icml") == ["5.00", "5.00", "0.700", "0.250"]


def test_a_table_has_a_line_under_its_header():
    text = tables.table(["system", "FID"], [["a", "1.00"], ["b", "-"]])
    assert text == "| system | FID |\n| --- | --- |\n| a | 1.00 |\n| b | - |"
