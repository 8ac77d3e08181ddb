"""The config of an mmgeneration checkpoint, as far as our networks depend on it."""

import ast
import dataclasses

from sagan_tf.errors import BadInput

_NETWORK_TYPES = (
    "SAGANGenerator",
    "SNGANGenerator",
    "SAGANDiscriminator",
    "ProjDiscriminator",
)
# With these initial values gains are 1 + e, otherwise e: SNConditionNorm.
_GAINS_FROM_ONE = ("BIGGAN", "STUDIO")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What no tensor tells. The defaults are those of mmgeneration's classes.

    Args:
        epsilon: float, of batch normalization.
        gains_from_one: bool, whether a gain is 1 + e.
        relu_in_place: bool, whether the discriminator's ReLU is in place.
        ema_decay: float.
        ema_start_step: int.
    """

    epsilon: float = 1e-4
    gains_from_one: bool = True
    relu_in_place: bool = False
    ema_decay: float = 0.999
    ema_start_step: int = 0


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
    if network.get("type", _NETWORK_TYPES[0]) not in _NETWORK_TYPES:
        wrong["type"] = network["type"]
    activation = (network.get("act_cfg") or {}).get("type", "ReLU")
    if activation != "ReLU":
        wrong["act_cfg.type"] = activation
    for part in ("blocks_cfg", "from_rgb_cfg"):
        for key, value in (network.get(part) or {}).items():
            if key != "type":
                wrong[f"{part}.{key}"] = value
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
