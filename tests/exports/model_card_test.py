import copy

import pytest

from sagan_tf.exports import formats
from sagan_tf.exports.model_card import model_card

VERSIONS = {
    "sagan_tf": "0.1.0",
    "python": "3.11.7",
    "tensorflow": "2.21.0",
    "keras": "3.15.1",
    "numpy": "2.4.6",
    "git_commit": "0123456789abcdef",
    "git_changed": True,
}
EVALUATION = {
    "subject": "checkpoint",
    "step": 6000,
    "num_fake": 5000,
    "num_real": 4000,
    "metrics": {"fid": 2.01794, "kid": None, "class_accuracy": 0.9392},
    "warnings": ["Compare them with one another."],
    "protocol": {"name": "quick-5k"},
    "network": {"name": "cnn", "hash": "f834887c4c1ead", "is_inception": False},
    "reference": {"description": "my clothes", "content_hash": "d9d84b35f7a3aa"},
}
RECORD = {
    "format": "saved_model",
    "step": 6000,
    "ema": True,
    "config": {
        "resolution": 32,
        "image_channels": 1,
        "num_classes": 2,
        "z_dim": 128,
        "generator_channels": 8,
        "attention_resolution": [16, 32],
        "batch_size": 32,
        "loss": "hinge",
        "generator_learning_rate": 1e-4,
        "discriminator_learning_rate": 4e-4,
        "dtype_policy": "mixed_bfloat16",
        "dataset": "npz:clothes.npz",
    },
    "data": "my clothes: 60,000 pictures",
    "class_names": ["Coat", "Shoe"],
    "trained_with": [{"from_step": 0, **VERSIONS}],
    "imported": None,
    "evaluations": [EVALUATION],
    "parameters": 130178,
    "difference": {"images": 3.2e-6, "num_images": 16, "tolerance": 1e-4},
    "signatures": {
        "serving_default": {
            "inputs": {"z": {"dtype": "float32", "shape": [None, 128]}},
            "outputs": {"pixels": {"dtype": "uint8", "shape": [None, 32, 32, 1]}},
        }
    },
    "exported_with": VERSIONS,
    "time": "2026-11-21T18:53:34+00:00",
}


def card(**changes):
    record = copy.deepcopy(RECORD)
    for name, value in changes.items():
        if isinstance(value, dict):
            record[name].update(value)
        else:
            record[name] = value
    return model_card(record)


NETWORK = {
    "images": {
        "inputs": {"z": {"dtype": "float32", "shape": [None, 128]}},
        "outputs": {"images": {"dtype": "float32", "shape": [None, 32, 32, 1]}},
    }
}
MEANINGS = {"z": "drawn from N(0, I)", "images": "values in [-1, 1]"}


@pytest.mark.parametrize(
    "line",
    [
        "# SAGAN generator, 32 x 32 gray, 2 classes",
        "| learned from | my clothes: 60,000 pictures |",
        "| weights | 130,178 parameters, averaged weights (EMA) of step 6,000 |",
        "| network | 8 channels, z of 128 values, attention at 16x16, 32x32 |",
        "| training | batches of 32, loss hinge, learning rates 0.0001 and 0.0004, "
        "precision mixed_bfloat16 |",
        "| trained with | sagan_tf 0.1.0, tensorflow 2.21.0, keras 3.15.1, "
        "commit 0123456, changed since |",
        "| `serving_default` | `z` float32 (N, 128) | `pixels` uint8 (N, 32, 32, 1) |",
        "0 Coat, 1 Shoe.",
        "Protocol `quick-5k`: 5,000 generated images against 4,000 of my clothes "
        "(sha256 d9d84b35f7a3). Feature network cnn (sha256 f834887c4c1e).",
        "| all numbers in the feature space of cnn | |",
        "| FID | 2.018 |",
        "| class accuracy | 0.9392 |",
        "Compare them with one another.",
    ],
)
def test_the_card_says(line):
    assert line in card().splitlines()


def test_the_license_is_known_if_it_was_stated():
    assert "license of the training images is unknown" in card()
    text = card(license="cc-by-4.0")
    assert "License, as its author states: cc-by-4.0." in text
    assert "license of the training images is unknown" not in text


def test_a_shared_export_says_how_to_go_on():
    assert "fine-tune" not in card(address=None)
    text = card(address="hf://user/digits")
    assert "sagan_tf.sample --workdir=hf://user/digits --output" in text
    assert "--initialize_from=hf://user/digits" in text


def test_what_was_not_measured_is_not_there():
    assert "KID" not in card()
    assert "These weights have not been evaluated." in card(evaluations=[])
    assert "FID" not in card(evaluations=[])


def test_an_unconditional_generator_has_no_classes():
    text = card(config={"num_classes": 0, "image_channels": 3}, class_names=[])
    assert "# SAGAN generator, 32 x 32 RGB, unconditional" in text
    assert "## Classes" not in text
    assert "label" not in text


def test_many_classes_are_left_to_the_record():
    text = card(
        config={"num_classes": 1000}, class_names=[f"kind {i}" for i in range(1000)]
    )
    assert "Labels 0 to 999; export.json has the names." in text
    assert "Labels 0 to 1, without names." in card(class_names=[])


def test_inception_needs_no_name():
    network = {**EVALUATION["network"], "is_inception": True}
    text = card(evaluations=[{**EVALUATION, "network": network}])
    assert "| all numbers | |" in text.splitlines()


def test_a_generator_without_a_run_has_a_card():
    config = {"resolution": 64, "image_channels": 3, "num_classes": 0, "z_dim": 6}
    record = {**RECORD, "step": None, "ema": None, "config": config, "data": None}
    text = model_card({**record, "trained_with": [], "evaluations": []})
    assert "| weights | 130,178 parameters, of a generator in memory |" in text
    missing = ("learned from", "| training", "trained with", "imported", "None")
    for word in missing:
        assert word not in text


def test_imported_weights_are_said_to_be():
    imported = {
        "written_by": "BigGAN-PyTorch",
        "files": [{"name": "G.pth", "sha256": "00112233445566"}],
        "step": 138000,
    }
    text = model_card({**RECORD, "imported": imported})
    assert (
        "| imported from | a checkpoint of BigGAN-PyTorch, step 138,000: "
        "G.pth (sha256 001122334455) |"
    ) in text
    assert "| training |" not in text
    assert "imported" not in card()


def test_weights_as_trained_are_named():
    assert "weights as trained of step 6,000" in card(ema=False)
    assert "no attention" in card(config={"attention_resolution": []})


def test_residual_blocks_are_not_called_attention():
    record = copy.deepcopy(RECORD)
    record["config"]["attention_variant"] = "residual"
    text = model_card(record)
    assert "no attention, but residual blocks in its place at 16x16, 32x32" in text
    assert "attention at 16x16, 32x32" in model_card(RECORD)


def card_of(name, num_classes=2):
    config = {**RECORD["config"], "num_classes": num_classes}
    changes = {"format": name, "signatures": NETWORK, "meanings": MEANINGS}
    return model_card({**RECORD, **changes, "config": config, "class_names": []})


@pytest.mark.parametrize("name", [n for n in formats.FORMATS if n != formats.WEB])
def test_a_network_says_how_it_is_loaded(name):
    text, module = card_of(name), formats.FORMATS[name]
    assert f"wrote for {module.TITLE}. It needs {module.RUNTIME} to run" in text
    assert f"loaded again by {module.RUNTIME}, 16 images" in text
    for line in module.LOADING.split():
        assert line in text
    assert '    inputs["labels"] = np.array([0, 1, 0], "int32")' in text.splitlines()
    assert "| output | `images` float32 (N, 32, 32, 1) | values in [-1, 1] |" in text
    assert "TensorFlow Serving" not in text


def test_a_page_says_how_it_is_opened():
    text = card_of("web")
    assert "wrote for browsers. It needs a browser to run, not `sagan_tf`" in text
    assert "Open `index.html` in a browser." in text
    assert "loaded again by ONNX Runtime, 16 images" in text
    assert "| output | `images` float32 (N, 32, 32, 1) | values in [-1, 1] |" in text
    assert "numpy" not in text.split("## Load it")[1].split("##")[0]


def test_an_unconditional_network_takes_no_labels():
    assert "label" not in card_of("onnx", 0)
