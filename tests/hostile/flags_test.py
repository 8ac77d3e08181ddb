"""Flags and flagfiles that people or accidents write, and the line that each gets.

Nothing is read but flags, and TensorFlow is not loaded.
"""

import pytest

from tests.hostile.commands import refused

pytestmark = pytest.mark.usefixtures("nothing_is_loaded")

FILES = {
    "bom.flags": b"\xef\xbb\xbf# a comment\r\n--flip=maybe\r\n",
    "utf16.flags": "--z_dim=0\n".encode("utf-16"),
    "no_mark.flags": "--seed=3\n".encode("utf-16-le"),
    "latin.flags": "--dataset=folder:Käfer\n".encode("latin-1"),
    "unknown.flags": b"--seed=3\n--learning_rate=2e-4\n",
    "value.flags": b"--seed=3  # the best\n",
    "dashes.flags": b"--flip\nseed=3\n",
    "outer.flags": b"--flagfile=missing.flags\n",
    "loop.flags": b"--flagfile=loop.flags\n",
    "space.flags": b"--seed 3\n",
    "quoted.flags": b'--seed=3\n--workdir="runs/my cats"\n',
    "comment.flags": b"--workdir=runs/a # mine\n",
    "shell.flags": b"--workdir=runs/a \\\n--seed=3\n",
}
# A command, its arguments, the line after "error: ".
TABLE = [
    (
        "train",
        ["--flagfile=bom.flags"],
        "flip must be true or false. Received: --flip=maybe (line 2 of "
        "bom.flags). Try --flip or --noflip.",
    ),
    (
        "train",
        ["--flagfile=utf16.flags"],
        "z_dim must be from 1 to 65536. Received: 0. Try --z_dim=128. See line "
        "1 of utf16.flags.",
    ),
    (
        "train",
        ["--flagfile=no_mark.flags"],
        "flagfile must be UTF-8 text with one flag per line. Received: "
        "--flagfile=no_mark.flags, which is something else. Try saving it as "
        "UTF-8, or --flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flagfile=latin.flags"],
        "flagfile must be UTF-8 text with one flag per line. Received: "
        "--flagfile=latin.flags, which is something else. Try saving it as "
        "UTF-8, or --flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flagfile=unknown.flags"],
        "There is no flag --learning_rate in this command (line 2 of "
        "unknown.flags). Try --generator_learning_rate=1e-4 and "
        "--discriminator_learning_rate=4e-4.",
    ),
    (
        "train",
        ["--flagfile=value.flags"],
        "A flagfile must have comments on lines of their own only (line 1 of "
        "value.flags). Received: --seed=3 # the best. Try --seed=3.",
    ),
    (
        "train",
        ["--flagfile=dashes.flags"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: seed=3 (line 2 of dashes.flags). Try --seed=3.",
    ),
    (
        "train",
        ["--flagfile=outer.flags"],
        "flagfile must be a file that can be read (line 1 of outer.flags). "
        "Received: --flagfile=missing.flags (No such file or directory). Try "
        "--flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flagfile=loop.flags"],
        "A flagfile must not name itself (line 1 of loop.flags). Received: "
        "--flagfile=loop.flags. Try without this line.",
    ),
    (
        "train",
        ["--flagfile=quoted.flags"],
        "A flagfile must have no quotes: no shell reads it (line 2 of "
        'quoted.flags). Received: --workdir="runs/my cats". Try '
        "--workdir=runs/my cats.",
    ),
    (
        "train",
        ["--flagfile=comment.flags"],
        "A flagfile must have comments on lines of their own only (line 1 of "
        "comment.flags). Received: --workdir=runs/a # mine. Try --workdir=runs/a.",
    ),
    (
        "train",
        ["--flagfile=shell.flags"],
        "A flagfile must have no \\ at the end of a line: no shell reads it (line 1 of "
        "shell.flags). Received: --workdir=runs/a \\. Try --workdir=runs/a.",
    ),
    (
        "train",
        ["--flagfile=space.flags"],
        "There is no flag --seed 3 in this command (line 1 of space.flags). Try"
        " --seed=3.",
    ),
    (
        "train",
        ["--flagfile=missing.flags"],
        "flagfile must be a file that can be read. Received: "
        "--flagfile=missing.flags (No such file or directory). Try "
        "--flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flagfile=."],
        "flagfile must be a file that can be read. Received: --flagfile=. (Is a"
        " directory). Try --flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flagfile"],
        "--flagfile needs a value. Try --flagfile=VALUE.",
    ),
    (
        "plan",
        ["--flagfile", "missing.flags"],
        "flagfile must be a file that can be read. Received: "
        "--flagfile=missing.flags (No such file or directory). Try "
        "--flagfile=configs/digits.flags.",
    ),
    (
        "train",
        ["--flip=maybe"],
        "flip must be true or false. Received: --flip=maybe. Try --flip or --noflip.",
    ),
    (
        "train",
        ["--noflip=yes"],
        "flip must be true or false. Received: --noflip=yes. Try --flip or --noflip.",
    ),
    (
        "evaluate",
        ["--intra_fid=maybe"],
        "intra_fid must be true or false. Received: --intra_fid=maybe. Try "
        "--intra_fid or --nointra_fid.",
    ),
    (
        "train",
        ["--learning_rate=1e-4"],
        "There is no flag --learning_rate in this command. Try "
        "--generator_learning_rate=1e-4 and --discriminator_learning_rate=4e-4.",
    ),
    (
        "train",
        ["--epochs=3"],
        "There is no flag --epochs in this command. Try --total_steps=100000: "
        "training is counted in steps of --batch_size images.",
    ),
    (
        "train",
        ["--mixed_precision"],
        "There is no flag --mixed_precision in this command. Try "
        "--dtype_policy=mixed_bfloat16 or mixed_float16.",
    ),
    (
        "train",
        ["--gpus=2"],
        "There is no flag --gpus in this command. Try --strategy=mirrored for "
        "all GPUs; CUDA_VISIBLE_DEVICES=0,1 chooses among them.",
    ),
    (
        "train",
        ["--resume"],
        "There is no flag --resume in this command. Try --total_steps with a "
        "larger number, or the same command with the same --workdir, which "
        "resumes where it stopped.",
    ),
    (
        "train",
        ["--batch_sise=4"],
        "There is no flag --batch_sise in this command. Did you mean --batch_size?",
    ),
    (
        "train",
        ["--nodeterministc"],
        "There is no flag --nodeterministc in this command. Did you mean "
        "--nodeterministic or --deterministic?",
    ),
    (
        "sample",
        ["--resolution=64"],
        "There is no flag --resolution in this command. It belongs to a "
        "training: the run has its value. Try without it.",
    ),
    (
        "export",
        ["--quantize"],
        "There is no flag --quantize in this command. Try --help for all flags.",
    ),
    (
        "train",
        ["--batch_size"],
        "--batch_size needs a value. Try --batch_size=VALUE.",
    ),
    (
        "train",
        ["--batch_size=many"],
        "batch_size must be int (a whole number). Received: 'many'. Try "
        "--batch_size=256.",
    ),
    (
        "train",
        ["--batch_size="],
        "batch_size must be int (a whole number). Received: ''. Try --batch_size=256.",
    ),
    (
        "train",
        ["--attention_resolution=big"],
        "attention_resolution must be numbers with commas. Received: 'big'. Try"
        " --attention_resolution=32.",
    ),
    (
        "train",
        ["--seed=3", "4"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: 4. Try --help.",
    ),
    (
        "train",
        ["--", "--seed=3"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: -- --seed=3. Try --help.",
    ),
    (
        "train",
        ["—seed=3"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: —seed=3. Try --seed=3.",
    ),
    (
        "train",
        ["-"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: -. Try --help.",
    ),
    (
        "train",
        ["--=3"],
        "All arguments, and all lines of a flagfile, must start with --. "
        "Received: --=3. Try --help.",
    ),
    (
        "train",
        ["--workdir=\udcff"],
        "Arguments must be UTF-8. Received: '--workdir=\\udcff'. Try another "
        "name for the file or the folder.",
    ),
    (
        "train",
        ["--attention_resolution=64", "--resolution=64"],
        "attention_resolution must be different sizes among [8, 16, 32] at 64 "
        "pixels in the discriminator, which shares it. Received: [64]. Try "
        "--attention_resolution=32, --discriminator_attention_resolution=32, or"
        " --attention_resolution=none for no attention.",
    ),
    (
        "train",
        ["--resolution=32"],
        "attention_resolution must be different sizes among [8, 16] at 32 "
        "pixels in the discriminator, which shares it. Received: [32]. Try "
        "--attention_resolution=16, --discriminator_attention_resolution=16, or"
        " --attention_resolution=none for no attention.",
    ),
    (
        "train",
        ["--discriminator_attention_resolution=64", "--resolution=64"],
        "discriminator_attention_resolution must be different sizes among [8, "
        "16, 32] at 64 pixels. Received: [64]. Try "
        "--discriminator_attention_resolution=32, or "
        "--discriminator_attention_resolution=none for no attention.",
    ),
    (
        "train",
        ["--steps_per_execution=7"],
        "steps_per_execution must divide total_steps. Received: "
        "total_steps=1000000, steps_per_execution=7. Try "
        "--steps_per_execution=1, or --total_steps=1000006.",
    ),
    (
        "train",
        ["--gradient_accumulation_steps=3"],
        "gradient_accumulation_steps must divide batch_size. Received: "
        "batch_size=256, gradient_accumulation_steps=3. Try "
        "--gradient_accumulation_steps=1, or --batch_size=258.",
    ),
    (
        "train",
        ["--z_dim=10000000000"],
        "z_dim must be from 1 to 65536. Received: 10000000000. Try --z_dim=128.",
    ),
    (
        "train",
        ["--total_steps=1e23"],
        "total_steps must be int (a whole number). Received: '1e23'. Try "
        "--total_steps=1000000.",
    ),
    (
        "train",
        ["--seed=99999999999999999999"],
        "seed must be from 0 to 2147483647. Received: 99999999999999999999. Try"
        " --seed=0.",
    ),
    (
        "train",
        ["--adam_beta1=nan"],
        "adam_beta1 must be at least 0 and below 1. Received: nan. Try "
        "--adam_beta1=0.0.",
    ),
    (
        "train",
        ["--ema_decay=inf"],
        "ema_decay must be at least 0 and below 1. Received: inf. Try "
        "--ema_decay=none.",
    ),
    (
        "train",
        ["--loss=hinges"],
        "loss must be one of hinge, kl, non_saturating, wasserstein. Received: "
        "hinges. Try --loss=hinge.",
    ),
    (
        "sample",
        ["--frame_seconds=nan"],
        "frame_seconds must be a number from 0.02 to 655. Received: "
        "--frame_seconds=nan. Try --frame_seconds=0.02.",
    ),
    (
        "sample",
        ["--workdir=run", "--output=a.png", "--truncation=1e30"],
        "truncation must be a number from 0 to 100 or none, or several with "
        "commas. Received: '1e30'. Try --truncation=0.5 or "
        "--truncation=0.2,0.5,1,none.",
    ),
    (
        "sample",
        ["--workdir=run", "--output=a.png", "--seeds=0-99999999999"],
        "seeds must be numbers and rising ranges with commas, from 0 to "
        "2147483647. Received: '0-99999999999'. Try --seeds=0-7 or --seeds=3,5.",
    ),
    (
        "sample",
        ["--workdir=run", "--output=a.gif", "--progress", "--seeds=3"],
        "--progress animates the grids of a training. Received: --progress --seeds. "
        "Try --progress without the others.",
    ),
    (
        "evaluate",
        ["--watch_seconds=nan"],
        "watch_seconds must be a number from 0 to 1000000. Received: "
        "--watch_seconds=nan. Try --watch_seconds=30.0.",
    ),
    (
        "evaluate",
        ["--protocol=quick"],
        "protocol must be one of official-train-50k, tfgan-validation-50k, "
        "biggan-train-full, quick-5k. Received: --protocol=quick. Try "
        "--protocol=official-train-50k.",
    ),
    (
        "evaluate",
        [],
        "There is nothing to evaluate. Try --workdir=runs/digits, "
        "--samples=folder:DIR or --saved_model=DIR.",
    ),
    *(
        (
            "evaluate",
            [*others, f"--{flag}{value}"],
            f"--{flag.removeprefix('no')} goes with {wanted}. Received: "
            f"--{flag.removeprefix('no')} alone. Try both, or neither.",
        )
        for others, flag, value, wanted in (
            (["--samples=digits"], "checkpoint", "=all", "--workdir"),
            (["--samples=digits"], "watch", "", "--workdir"),
            (["--samples=digits"], "noema", "", "--workdir"),
            (["--saved_model=a"], "noema", "", "--workdir"),
            (["--saved_model=a"], "standing_batches", "=3", "--workdir"),
            (["--samples=digits"], "seed", "=1", "--workdir or --saved_model"),
            (["--samples=digits"], "truncation", "=1", "--workdir or --saved_model"),
            (["--workdir=run"], "samples_split", "=test", "--samples"),
        )
    ),
    *(
        (
            "evaluate",
            ["--workdir=run", f"--{other}", f"--{flag}"],
            f"--{flag.partition('=')[0]} does not go with "
            f"--{other.partition('=')[0]}: {reason}. Received: both. Try one of the "
            "two.",
        )
        for other, flag, reason in (
            ("saved_model=a", "ema", "an export has one set of weights"),
            (
                "saved_model=a",
                "standing_batches=3",
                "an export has statistics of its own",
            ),
            (
                "workdir=run",
                "output=a.jsonl",
                "results go into the run's evaluations.jsonl",
            ),
        )
    ),
    (
        "ablate",
        ["--seeds=100000000000000000000"],
        "seeds must be a whole number from 1 to 1000. Received: "
        "--seeds=100000000000000000000. Try --seeds=1.",
    ),
    (
        "ablate",
        ["--workdir=run", "--matrix=papers"],
        "matrix must be among paper, stabilisation, attention, residual, "
        "conditional, settings, separated by commas. Received: papers. Try "
        "--matrix=paper.",
    ),
    (
        "plan",
        ["--utilisation=nan"],
        "utilisation must be a number from 1e-06 to 1. Received: "
        "--utilisation=nan. Try --utilisation=0.1.",
    ),
    (
        "plan",
        ["--utilisation=0.5", "--utilisation=2"],
        "utilisation must be a number from 1e-06 to 1. Received: "
        "--utilisation=2. Try --utilisation=0.1.",
    ),
    (
        "plan",
        ["--h100_price_per_hour=-1"],
        "h100_price_per_hour must be a number from 0 to 1000000. Received: "
        "--h100_price_per_hour=-1. Try --h100_price_per_hour=0.",
    ),
    (
        "attention",
        ["--num_queries=8"],
        "num_queries must be a whole number from 1 to 7. Received: "
        "--num_queries=8. Try --num_queries=5.",
    ),
    (
        "attention",
        ["--workdir=run", "--output=a.jpg"],
        "--output must be a .png. Received: a.jpg. Try --output=attention.png.",
    ),
    (
        "attention",
        ["--workdir=run", "--output=a.png", "--html=a.png"],
        "--html must be a .html. Received: a.png. Try --html=attention.html.",
    ),
    (
        "export",
        ["--workdir=run", "--output=a", "--checkpoint=1e3"],
        "checkpoint must be newest, best or the number of a step. Received: "
        "'1e3'. Try --checkpoint=newest.",
    ),
    (
        "export",
        ["--workdir=run", "--output=a", "--format=tflite"],
        "format must be one of saved_model, onnx, litert, openvino, keras, web. "
        "Received: --format=tflite. Try --format=saved_model.",
    ),
    (
        "export",
        ["--workdir=run", "--to=hf://digits"],
        "A repository of the Hugging Face Hub is hf://user/name. Received: "
        "hf://digits. Try hf://user/digits with your user name.",
    ),
    (
        "export",
        ["--workdir=run", "--to=hf://user/digits@main"],
        "--to must be a repository without a revision. Received: "
        "hf://user/digits@main. Try --to=hf://user/digits.",
    ),
    (
        "export",
        ["--workdir=run", "--output=a", "--private"],
        "--private goes with --to. Received: --private alone. Try both, or neither.",
    ),
    (
        "export",
        ["--workdir=run", "--output=hf://user/digits"],
        "--output must be a local folder. Received: hf://user/digits. Try "
        "--to=hf://user/digits.",
    ),
    (
        "export",
        ["--workdir=run", "--output=a", "--license=CC BY 4.0"],
        "license must be a license's name on the Hugging Face Hub. Received: CC BY "
        "4.0. Try --license=cc-by-4.0 or --license=apache-2.0.",
    ),
    *(
        (
            command,
            [f"--{flag}=hf://digits", *others],
            "A repository of the Hugging Face Hub is hf://user/name. Received: "
            "hf://digits. Try hf://user/digits with your user name.",
        )
        for command, flag, *others in (
            ("export", "workdir", "--output=a"),
            ("sample", "workdir", "--output=a.png"),
            ("attention", "workdir", "--output=a.png"),
            ("train", "initialize_from", "--workdir=a"),
        )
    ),
    (
        "train",
        ["--workdir=hf://user/digits"],
        "--workdir is the folder of the training, not of an export. Received: "
        "hf://user/digits. Try --initialize_from=hf://user/digits "
        "--workdir=runs/mine.",
    ),
    *(
        (
            command,
            ["--workdir=hf://user/digits", *others],
            "This command writes into the folder of the run, so it needs one of your "
            "own. Received: hf://user/digits. Try hf download user/digits "
            "--local-dir=models/digits, then --workdir=models/digits.",
        )
        for command, *others in (
            ("evaluate",),
            ("report",),
            ("sample", "--output=a.png", "--neighbours=3"),
        )
    ),
    *(
        (
            command,
            ["--workdir=/runs/a[1]/b", *others],
            "--workdir must have none of [ * ? \\ in its whole path: TensorFlow takes "
            "the paths of checkpoints for patterns. Received: /runs/a[1]/b. Try "
            "another name, as in --workdir=runs/digits.",
        )
        for command, *others in (
            ("train",),
            ("train", "--dry_run"),
            ("ablate", "--dry_run"),
            ("import_weights", "--from=official-tf1", "--input=model.ckpt-1"),
        )
    ),
    (
        "ablate",
        ["--workdir=nothing", "--report_only"],
        "report_only needs the folder of an ablation. Received: --workdir=nothing, "
        "which has no runs. Try another --workdir.",
    ),
    (
        "import_weights",
        ["--from=pytorch"],
        "from must be one of official-tf1, biggan-pytorch, mmgeneration, "
        "studiogan. Received: --from=pytorch. Try --from=official-tf1.",
    ),
    (
        "train_classifier",
        ["--num_features=10000000000"],
        "num_features must be a whole number from 1 to 65536. Received: "
        "--num_features=10000000000. Try --num_features=64.",
    ),
    (
        "train_classifier",
        ["--output=c", "--resolution=48000"],
        "resolution must be from 8 to 1024. Received: resolution=48000. Try "
        "--resolution=64.",
    ),
    (
        "reference_statistics",
        ["--keep_features=0"],
        "keep_features must be a whole number from 1 to 2147483647. Received: "
        "--keep_features=0. Try --keep_features=10000.",
    ),
    (
        "reference_statistics",
        ["--resolution=48"],
        "resolution must be one of 32, 64, 128, 256. Received: 48. Try "
        "--resolution=128.",
    ),
]


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    TABLE,
    ids=[ascii(" ".join([name, *arguments])) for name, arguments, _ in TABLE],
)
def test_a_command_refuses_with_one_line(
    tmp_path, monkeypatch, capsys, name, arguments, line
):
    monkeypatch.chdir(tmp_path)
    for file, content in FILES.items():
        (tmp_path / file).write_bytes(content)
    assert refused(capsys, name, *arguments) == line
