"""Which settings a run and the run that it starts from must share."""

import pytest

from sagan_tf.errors import BadInput
from sagan_tf.settings.config import Config
from sagan_tf.settings.network_fields import NETWORK_FIELDS, check_starting_weights
from tests.settings.config_test import other_value

FIELDS = Config.__dataclass_fields__


@pytest.mark.parametrize("name", [n for n in NETWORK_FIELDS if n != "num_classes"])
def test_every_network_setting_but_the_classes_must_be_the_same(name):
    ours = Config(initialize_from="runs/a", **{name: other_value(FIELDS[name])})
    with pytest.raises(BadInput) as caught:
        check_starting_weights(Config(), ours)
    line = str(caught.value)
    assert line.startswith(f"The networks must be those of runs/a, with {name}=")
    assert f"Received: {name}=" in line and f"Try --{name}=" in line


def test_all_else_may_differ():
    ours = Config(num_classes=7, ema_decay=0.9, seed=1, freeze_discriminator_blocks=2)
    check_starting_weights(Config(), ours)
    same = Config(discriminator_attention_resolution=(32,))
    check_starting_weights(Config(), same)
    check_starting_weights(same, Config())
