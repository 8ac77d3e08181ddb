"""scripts/benchmark.py --compare=pytorch: our training step and PyTorch's, in turn.

Each has a process of its own, and the two run one after the other in every repeat. The
peer is pytorch_sagan.py. Only its own process loads it, so the others need no PyTorch.
"""

import os
import statistics

from measuring import check_installed, in_turns
from network_benchmark import make_training_step

from sagan_tf.errors import BadInput
from sagan_tf.settings.command import load


def check_comparison(part, dtype_policy):
    """Raises `BadInput` if the comparison cannot be made.

    Args:
        part: list of str, the flag `--part`.
        dtype_policy: str, the flag `--dtype_policy`.
    """
    if part not in (["all"], ["train_step"]):
        raise BadInput(
            "--compare measures only the training step. Received: "
            f"--part={','.join(part)}. Try without --part."
        )
    if dtype_policy == "mixed_float16":
        raise BadInput(
            "--compare is for float32 and mixed_bfloat16. Received: "
            f"--dtype_policy={dtype_policy}. Try --dtype_policy=mixed_bfloat16."
        )
    check_installed(
        "torch", "PyTorch", "--compare=pytorch", "pip install -e '.[torch]'"
    )


def measure_comparison(settings):
    """Measures both training steps: a dict.

    Args:
        settings: dict of the script's flags.

    Raises:
        BadInput: see `check_peer`.
    """
    # TensorFlow alone would take all of a GPU's memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    makers = {"ours": make_training_step, "pytorch": _make_peer}
    result = in_turns(makers, settings, settings["repeats"])
    ours, peer = result["ours"], result["pytorch"]
    check_peer(ours, peer)
    for each in (ours, peer):
        each["images_per_second"] = each["images"] / each["seconds"]
    quotients = [
        peer_seconds / our_seconds
        for our_seconds, peer_seconds in zip(
            ours["seconds_of_each"], peer["seconds_of_each"], strict=True
        )
    ]
    result["times_pytorch"] = statistics.median(quotients)
    result["times_pytorch_of_each"] = quotients
    return result


def check_peer(ours, peer):
    """Checks that both sides did the same work in the same place.

    Args:
        ours, peer: dicts of library, device and parameters.

    Raises:
        BadInput: one computed on a GPU and the other on the processor.
        RuntimeError: the networks are not the same.
    """
    if ours["parameters"] != peer["parameters"]:
        raise RuntimeError(
            "PyTorch's generator and discriminator must have as many parameters as "
            f"ours, {ours['parameters']}. They have {peer['parameters']}."
        )
    if (ours["device"] == "CPU") != (peer["device"] == "CPU"):
        raise BadInput(
            "Both must compute on the same device. Received: "
            f"{ours['library']} on {ours['device']}, {peer['library']} on "
            f"{peer['device']}. Try CUDA_VISIBLE_DEVICES=-1, which hides GPUs."
        )


def lines_of_comparison(result):
    """Yields the lines of the table about the comparison."""
    for name in ("ours", "pytorch"):
        each = result[name]
        yield (
            f"{name:<15}{each['images_per_second']:8.3f} images/s, "
            f"{each['seconds']:.3f} s ({each['processor_seconds']:.1f} s of processor "
            f"time, load {each['load_average']:.1f}), {each['library']} on "
            f"{each['device']}"
        )
    quotients = result["times_pytorch_of_each"]
    generator, discriminator = result["ours"]["parameters"]
    yield (
        f"{'':15}ours: {result['times_pytorch']:.2f} x PyTorch, in each repeat from "
        f"{min(quotients):.2f} to {max(quotients):.2f}; {generator:,} and "
        f"{discriminator:,} parameters on both sides"
    )


def _make_peer(settings):
    """Returns facts about PyTorch's training step, and a function that runs it."""
    peer = load("pytorch_sagan")
    step = peer.TrainingStep(settings)

    def run():
        for _ in range(settings["steps"]):
            loss = step()
        return loss.item()  # Waits for the device.

    facts = peer.facts([step.generator, step.discriminator])
    return {**facts, "images": settings["steps"] * settings["batch_size"]}, run
