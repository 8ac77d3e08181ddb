"""Checkpoints of open-mmlab/mmgeneration's SAGAN configs (SNGANGenerator).

| there | here |
| --- | --- |
| images blue, green, red | red, green, blue |
| gain of a class, as 1 + e (or e, with some initial values) | gamma |
| this gain and the bias divided by their sigma, in most configs | stored divided |
| theta, phi, g, o of attention | query, key, value, output |
| sigma = u^T W v of stored vectors, or one iteration | u for which ours is the same |

`tools/train.py` keeps the config in the checkpoint. It tells what no tensor tells: the
epsilon of batch normalization, whether ReLU is in place, and whether gains are 1 + e.
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
# With these initial values, gains are 1 + e, otherwise e: see SNConditionNorm.
_GAINS_FROM_ONE = ("BIGGAN", "STUDIO")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings that no tensor tells, with the defaults of mmgeneration's classes."""

    epsilon: float = 1e-4  # That of batch normalization.
    gains_from_one: bool = True  # True if gamma is 1 + gain.
    relu_in_place: bool = False  # The discriminator's.
    ema_decay: float = 0.999
    ema_start_step: int = 0


def translate(tensors, given):
    """See `importers.SOURCES`. Omits a discriminator that has ReLU in place.

    `batch_norm_epsilon` overrides the checkpoint's config. `image_order` is bgr by
    default; checkpoints that mmgeneration converted from StudioGAN need rgb.

    Raises:
        BadInput: the networks differ from ours.
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
    """Returns `Settings` and a list of notes about the assumptions."""
    if "meta.config" in tensors:
        return read_settings(str(tensors["meta.config"])), []
    # Of mmgeneration's configs, only the one with BigGAN-PyTorch's settings has no
    # spectral norm on the tables of classes.
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
        text: str, a config in the Python that mmcv prints: assignments of values,
            `dict(...)` and lists. The text is parsed, not run.

    Returns:
        `Settings`.

    Raises:
        BadInput: the text cannot be parsed, or its networks differ from ours.
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
    """Raises `BadInput` if a network has a setting that ours cannot have."""
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
    """Returns the assignments of a config as a dict."""
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
    """Returns the value of an expression of literals and `dict(...)`."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs}
    return ast.literal_eval(node)
