"""Suggests the right flag for a name that no flag has."""

import dataclasses
import difflib
import re

from sagan_tf.settings.config import Config

_RATES = "--generator_learning_rate=1e-4 and --discriminator_learning_rate=4e-4"
_RESUMES = "the same command with the same --workdir, which resumes where it stopped"
_GPUS = "--strategy=mirrored for all GPUs; CUDA_VISIBLE_DEVICES=0,1 chooses among them"
# Names in other programs, without dashes and underscores, and what to try here. The
# first line whose flags the command has is the answer.
_TABLE = (
    ("lr learningrate glr dlr baselr initiallr", _RATES),
    ("lrg generatorlr", "--generator_learning_rate=1e-4"),
    ("lrd discriminatorlr", "--discriminator_learning_rate=4e-4"),
    ("epochs numepochs nepochs epoch maxepochs", "--epochs=20"),
    (
        "epochs numepochs nepochs epoch maxepochs",
        "--total_steps=100000: training is counted in steps of --batch_size images",
    ),
    (
        "steps numsteps maxsteps iterations iters niter maxiter trainsteps "
        "trainingsteps totalstep kimg totalkimg",
        "--total_steps=100000",
    ),
    (
        "mixedprecision amp fp16 bf16 bfloat16 float16 half precision dtype usefp16",
        "--dtype_policy=mixed_bfloat16 or mixed_float16",
    ),
    ("gpus gpu numgpus ngpu ngpus gpuids gpuid device devices distributed ddp", _GPUS),
    ("tpu usetpu", "--strategy=tpu"),
    (
        "gpus gpu numgpus ngpu ngpus gpuids gpuid device devices",
        "without it: CUDA_VISIBLE_DEVICES=0,1 chooses among the GPUs",
    ),
    ("workers numworkers nworkers", "without it: all cores read images"),
    (
        "resume continue restart resumefrom autoresume checkpoint ckpt load "
        "checkpointpath",
        f"--total_steps with a larger number, or {_RESUMES}",
    ),
    ("ckpt checkpointpath step load model weights network", "--checkpoint=newest"),
    ("ckpt checkpointpath model weights checkpoint", "--input=model.ckpt-1000000"),
    (
        "output out outdir outputdir savedir logdir modeldir checkpointdir ckptdir "
        "resultdir resultsdir rundir dir work workdirectory name experiment",
        "--output=FILE",
    ),
    (
        "output out outdir outputdir savedir logdir modeldir checkpointdir ckptdir "
        "resultdir resultsdir rundir dir work workdirectory name experiment run",
        "--workdir=runs/digits",
    ),
    (
        "data datapath dataroot datasetpath datasetdir traindir traindata imagedir "
        "images imagefolder folder input root",
        "--dataset=folder:DIR",
    ),
    ("images imagedir fakes fakedir generated", "--samples=folder:DIR"),
    (
        "imagesize imgsize size imsize res imageresolution width height cropsize",
        "--resolution=128",
    ),
    ("channels imagechannel numchannels nc colour color", "--image_channels=3"),
    ("batch bs batchsizes minibatch batchsizepergpu", "--batch_size=64"),
    ("latentdim nz noisedim zsize latentsize latent dimz codedim", "--z_dim=128"),
    ("ngf gch genfilters gchannels gconvdim gfdim", "--generator_channels=64"),
    ("ndf dch discfilters dchannels dconvdim dfdim", "--discriminator_channels=64"),
    ("classes nclasses numclass conditional ncls", "--num_classes=none"),
    ("beta1 betaone", "--adam_beta1=0"),
    ("beta2 betatwo", "--adam_beta2=0.9"),
    ("epsilon eps", "--adam_epsilon=1e-8"),
    ("optimizer optimiser", "--adam_beta1 and --adam_beta2: Adam is the optimizer"),
    (
        "dsteps numdsteps ncritic diters critics discriminatoriters ndis dratio",
        "--discriminator_steps=2",
    ),
    (
        "accumulation gradaccum accumsteps accumulationsteps numaccumulations",
        "--gradient_accumulation_steps=2",
    ),
    ("attention selfattention attn gattn useattention", "--attention_resolution=32"),
    ("sn usesn spectralnormalization specnorm", "--spectral_norm=both"),
    ("ema useema emadecay", "--ema_decay=0.9999"),
    ("xla usexla jit compile", "--jit_compile --nodeterministic"),
    ("randomseed manualseed rngseed", "--seed=0"),
    ("seed randomseed numsamples nsamples samples num n numimages", "--seeds=0-63"),
    ("numsamples nsamples numimages numfakes n", "--num_fake=5000"),
    ("class classes label classid", "--labels=all"),
    ("trunc truncationpsi psi threshold", "--truncation=0.5"),
    (
        "saveevery savefreq saveinterval checkpointevery",
        "--checkpoint_every_steps=1000",
    ),
    ("logevery logfreq loginterval printevery", "--log_every_steps=100"),
    ("sampleevery samplefreq sampleinterval", "--sample_every_steps=1000"),
    (
        "fid evalevery evaluate evalfreq testevery evalinterval",
        "--evaluate_every_steps=1000",
    ),
    ("hflip mirror horizontalflip xflip", "--flip"),
    ("diffaugment aug augmentation ada", "--augment=flip,translation,cutout"),
    ("lossfunction losstype gloss dloss ganloss", "--loss=hinge"),
    ("metrics metric fid", "--protocol=quick-5k"),
    ("gif animate video fps", "--interpolate --output=walk.gif"),
    ("reference stats realstats refstats", "--reference_statistics=stats.npz"),
    ("wandb usewandb weightsandbiases wandbproject", "--logger=wandb"),
    ("mlflow usemlflow mlflowtracking", "--logger=mlflow"),
    ("loggers trackers reportto trackwith", "--logger=tensorboard,wandb,mlflow"),
    ("tb usetensorboard", "--tensorboard"),
    (
        "pretrained finetune finetunefrom initfrom initialize init initcheckpoint "
        "pretrainedmodel pretrainedweights transfer transferfrom startfrom warmstart",
        "--initialize_from=runs/digits",
    ),
    ("freezed freezelayers freezedlayers freeze", "--freeze_discriminator_blocks=2"),
    ("config configfile cfg flags options yaml", "--flagfile=configs/digits.flags"),
    ("test dry check noop simulate", "--dry_run"),
    (
        "pushtohub push upload repoid repo hubmodelid huggingface hf",
        "--to=hf://user/name",
    ),
    ("force overwriteoutput replace clobber", "--overwrite"),
    ("helpfull helpshort usage man", "--help"),
)
_ALWAYS = ("flagfile", "help")


def answer(name, values):
    """Returns what to try in place of a flag that the command does not have: str.

    Args:
        name: str, without dashes.
        values: `absl.flags.FlagValues` of the command.
    """
    if " " in name:
        return f"Try --{'='.join(name.split(maxsplit=1))}."
    meant = re.sub(r"[-_]", "", name.lower())
    known = {*values, *_ALWAYS}
    for words, remedy in _TABLE:
        flags = set(re.findall(r"--(\w+)", remedy))
        # `--nodeterministic` is the flag `deterministic`.
        flags = {flag if flag in known else flag.removeprefix("no") for flag in flags}
        if meant in words.split() and flags <= known:
            return f"Try {remedy}."
    if name in (field.name for field in dataclasses.fields(Config)):
        return "It belongs to a training: the run has its value. Try without it."
    switches = [f"no{flag}" for flag in values if values[flag].boolean]
    near = difflib.get_close_matches(name, [*values, *switches], 3, cutoff=0.7)
    if near:
        return f"Did you mean {' or '.join(f'--{each}' for each in near)}?"
    return "Try --help for all flags."
