"""Strategies by name, and each replica's share of a batch."""

import pytest
import tensorflow as tf

from sagan_tf import distribution


def test_default_is_one_device():
    assert distribution.make_strategy("default").num_replicas_in_sync == 1


def test_mirrored_takes_all_devices():
    assert distribution.make_strategy("mirrored").num_replicas_in_sync == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [("mirored", "'mirored'"), ("multi_worker", "TF_CONFIG"), ("tpu", "TPU_NAME")],
)
def test_what_a_strategy_needs_is_named(name, words, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(ValueError, match=f"Received: .*{words}|{words}.* Received:"):
        distribution.make_strategy(name)


def test_a_batch_is_shared_out_evenly():
    strategy = distribution.make_strategy("mirrored")
    assert distribution.per_replica_batch_size(strategy, 12) == 6
    with pytest.raises(ValueError, match="replicas=2. Try --batch_size=14"):
        distribution.per_replica_batch_size(strategy, 13)
    with pytest.raises(ValueError, match="steps=4. Try --batch_size=16"):
        distribution.per_replica_batch_size(strategy, 12, parts=4)


def test_two_replicas_get_the_two_halves_of_each_batch():
    strategy = distribution.make_strategy("mirrored")
    asked = []

    def make_dataset(count, index):
        asked.append((count, index))
        return tf.data.Dataset.range(8).batch(4, drop_remainder=True)

    dataset = distribution.share_out(strategy, make_dataset)
    batches = [strategy.experimental_local_results(batch) for batch in dataset]
    assert asked == [(1, 0)]
    assert [[part.numpy().tolist() for part in parts] for parts in batches] == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7]],
    ]


@pytest.mark.parametrize("size", [3, 5])
def test_a_second_strategy_in_one_process_works_too(size):
    """As in a notebook: collective operations of the first one were in the way."""
    strategy = distribution.make_strategy("mirrored")

    @tf.function
    def sums():
        def replica():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.ones([size])])

        return strategy.run(replica)

    (first, *_) = strategy.experimental_local_results(sums()[0])
    assert first.numpy().tolist() == [2.0] * size
