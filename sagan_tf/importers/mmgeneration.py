"""Checkpoints of open-mmlab/mmgeneration, of its SAGAN configs (SNGANGenerator).

| there | here |
| --- | --- |
| images blue, green, red | red, green, blue |
| gain of a class, as 1 + e (or e, with some initial values) | gamma |
| it and the bias divided by their sigma, in most configs | stored divided |
| theta, phi, g, o of attention | query, key, value, output |
| sigma = u^T W v of stored vectors, or one iteration | u for which ours is the same |

The config, which `tools/train.py` keeps in the checkpoint, has what no tensor tells:
epsilon of batch normalization, whether ReLU is in place, whether gains are 1 + e.
"""

import ast
import dataclasses
import re

from sagan_tf.errors import BadInput
from sagan_tf.importers import torch_networks
from sagan_tf.importers.torch_layers import CONVOLUTION, FROM_BGR, TO_BGR

OPTIONS = ("image_order",)
DESCRIPTION = "mmgeneration (open-mmlab/mmgeneration)"
TELLING = r"generator(_ema)?\.noise2feat\.bias|discriminator\.decision\.bias"

_NAMES = torch_networks.Names(
    prefixes={
        "generator": "generator.",
        "ema_generator": "generator_ema.",
        "discriminator": "discriminator.",
    },
    blocks=r"(from_rgb|conv_blocks\.\d+)",
    convolutions=(".conv_1.conv", ".conv_2.conv", ".shortcut.conv"),
    attention=(".theta.conv", ".phi.conv", ".g.conv", ".o.conv", ".gamma"),
    linear="noise2feat",
    image_convolution="to_rgb.conv",
    image_norm="to_rgb.bn",
    norms=(".norm_1", ".norm_2"),
    class_tables=(".weight_embedding", ".bias_embedding"),
    last_linear="decision",
    embedding="proj_y",
    plain_norm=".norm",
    class_norm=".norm",
)
_NETWORK_TYPES = r"(SAGAN|SNGAN)Generator|(SAGAN|Proj)Discriminator"
# With these initial values gains are 1 + e, otherwise e: SNConditionNorm.
_GAINS_FROM_ONE = ("BIGGAN", "STUDIO")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What no tensor tells. The defaults are those of mmgeneration's classes."""

    epsilon: float = 1e-4  # Of batch normalization.
    gains_from_one: bool = True  # Whether gamma is 1 + gain.
    relu_in_place: bool = False  # The discriminator's.
    ema_decay: float = 0.999
    ema_start_step: int = 0


def translate(tensors, given):
    """See `importers.SOURCES`: without a discriminator if that has ReLU in place.

    `batch_norm_epsilon` wins over the checkpoint's config, and `image_order` is bgr by
    default, rgb for checkpoints that mmgeneration converted from StudioGAN.

    Raises:
        BadInput: its networks are others than ours.
    """
    settings, notes = _settings(tensors)
    is_bgr = given.get("image_order", "bgr") == "bgr"
    names = dataclasses.replace(
        _NAMES,
        from_image=FROM_BGR if is_bgr else CONVOLUTION,
        to_image=TO_BGR if is_bgr else CONVOLUTION,
        gains_from_one=settings.gains_from_one,
    )
    result = torch_networks.translate(
        tensors,
        names,
        given.get("batch_norm_epsilon", settings.epsilon),
        settings.ema_decay,
        settings.ema_start_step,
        settings.relu_in_place,
    )
    result.notes += notes
    return result


def _settings(tensors):
    """`Settings`, and a list of notes about what had to be assumed."""
    if "meta.config" in tensors:
        return read_settings(str(tensors["meta.config"])), []
    # Of its configs, the one without spectral norm on the tables of classes is the one
    # with BigGAN-PyTorch's settings.
    tables = {name for name in tensors if ".weight_embedding." in name}
    is_normalized = any(re.search(r"\.(weight_orig|u0)$", name) for name in tables)
    settings = Settings(epsilon=1e-5 if tables and not is_normalized else 1e-4)
    note = (
        "the checkpoint has no config. Assumed, as in mmgeneration's own: "
        f"--batch_norm_epsilon={settings.epsilon}, gains as 1 + e, no ReLU in place "
        "in the discriminator."
    )
    return settings, [note]


def read_settings(text):
    """Reads a config.

    Args:
        text: str, Python as mmcv prints a config: assignments of values, `dict(...)`
            and lists. It is parsed, not run.

    Returns:
        `Settings`.

    Raises:
        BadInput: it cannot be parsed, or describes networks that are not ours.
    """
    config = _parse(text)
    model = config.get("model") or {}
    generator = model.get("generator") or {}
    discriminator = model.get("discriminator") or {}
    _check_network("generator", generator)
    _check_network("discriminator", discriminator)
    kind = (generator.get("init_cfg") or {}).get("type", "BigGAN")
    hooks = {hook.get("type"): hook for hook in config.get("custom_hooks") or []}
    averaging = hooks.get("ExponentialMovingAverageHook", {})
    momentum = (averaging.get("interp_cfg") or {}).get("momentum")
    return Settings(
        epsilon=generator.get("norm_eps", Settings.epsilon),
        gains_from_one=kind.upper() in _GAINS_FROM_ONE,
        relu_in_place=bool((discriminator.get("act_cfg") or {}).get("inplace")),
        ema_decay=momentum or Settings.ema_decay,
        ema_start_step=averaging.get("start_iter", Settings.ema_start_step),
    )


def _check_network(name, network):
    """Refuses what our networks cannot be."""
    wrong = {}
    if not re.fullmatch(_NETWORK_TYPES, str(network.get("type", "SAGANGenerator"))):
        wrong["type"] = network["type"]
    activation = (network.get("act_cfg") or {}).get("type", "ReLU")
    if activation != "ReLU":
        wrong["act_cfg.type"] = activation
    for part in ("blocks_cfg", "from_rgb_cfg"):
        settings = network.get(part) or {}
        wrong |= {f"{part}.{k}": v for k, v in settings.items() if k != "type"}
    for key, value in wrong.items():
        raise BadInput(
            "The checkpoint must have the networks of mmgeneration's SAGAN configs. "
            f"Received: {name}.{key}={value}. Our networks have no such setting; "
            "nothing was written."
        )


def _parse(text):
    """The assignments of a config: dict."""
    try:
        tree = ast.parse(text)
        return {
            statement.targets[0].id: _value(statement.value)
            for statement in tree.body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
        }
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadInput(
            "meta.config of the checkpoint must be a config of mmcv. Received: "
            f"{text[:40]!r}..., which cannot be read ({error}). Nothing was written."
        ) from error


def _value(node):
    """The value of an expression of literals and `dict(...)`."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs}
    return ast.literal_eval(node)
