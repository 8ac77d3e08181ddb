"""What a run would be, printed: nothing is trained or written."""

from sagan_tf.distribution import strategies
from sagan_tf.model import overview
from sagan_tf.run import building
from sagan_tf.run.building import open_data
from sagan_tf.training.loop import set_up


def dry_run(config):
    """Prints what a run would be, without writing anything."""
    strategy = set_up(config)
    source, config = open_data(config)
    config.validate()
    generator, discriminator = building.networks_from_config(config)
    print(f"Config\n{config.to_json()}")
    print(f"Data\n  {source.description}")
    if source.class_names:
        print(f"  classes: {', '.join(source.class_names[:20])}")
    for network in (generator, discriminator):
        print(f"\n{overview.network_table(network)}")
    memory = overview.memory_estimate(
        generator,
        discriminator,
        batch_size=strategies.per_replica_batch_size(strategy, config.batch_size)
        // config.gradient_accumulation_steps,
        has_ema=config.ema_decay is not None,
    )
    print(f"\n{overview.memory_table(memory)}")
