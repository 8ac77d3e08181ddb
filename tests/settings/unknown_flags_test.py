"""What to try in place of a flag that a command does not have."""

import re

import pytest

from sagan_tf.settings import unknown_flags
from tests.architecture_test import COMMANDS
from tests.hostile.commands import flags_of


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("train", "learning_rate", "--generator_learning_rate"),
        ("train", "lr", "--discriminator_learning_rate"),
        ("train", "epochs", "--total_steps"),
        ("train_classifier", "num_epochs", "--epochs"),
        ("train", "mixed_precision", "--dtype_policy=mixed_bfloat16"),
        ("train", "gpus", "--strategy=mirrored"),
        ("train", "num-gpus", "CUDA_VISIBLE_DEVICES"),
        ("sample", "gpus", "CUDA_VISIBLE_DEVICES"),
        ("train", "resume", "same --workdir"),
        ("train", "output_dir", "--workdir"),
        ("sample", "out", "--output"),
        ("train", "data", "--dataset=folder:"),
        ("evaluate", "fakes", "--samples=folder:"),
        ("train", "image_size", "--resolution"),
        ("train", "latent_dim", "--z_dim"),
        ("train", "n_critic", "--discriminator_steps"),
        ("sample", "seed", "--seeds"),
        ("sample", "num_samples", "--seeds=0-63"),
        ("evaluate", "num_samples", "--num_fake"),
        ("train", "xla", "--jit_compile --nodeterministic"),
        ("train", "config", "--flagfile"),
        ("sample", "resolution", "belongs to a training"),
        ("train", "batch_sise", "Did you mean --batch_size"),
        ("train", "nodeterminstic", "Did you mean --nodeterministic"),
        ("train", "wandb", "--logger=wandb"),
        ("train", "report_to", "--logger=tensorboard"),
        ("train", "pretrained", "--initialize_from=runs/digits"),
        ("train", "init-from", "--initialize_from=runs/digits"),
        ("train", "freezeD", "--freeze_discriminator_blocks=2"),
        ("export", "push_to_hub", "--to=hf://user/name"),
        ("train", "zzz", "--help"),
    ],
)
def test_the_right_flag_is_named(command, name, words):
    assert words in unknown_flags.answer(name, flags_of(command))


def test_every_remedy_is_a_flag_of_a_command():
    known = {flag for command in COMMANDS for flag in flags_of(command)}
    known |= {"flagfile", "help", "nodeterministic"}
    for _, remedy in unknown_flags._TABLE:
        assert set(re.findall(r"--(\w+)", remedy)) <= known, remedy
