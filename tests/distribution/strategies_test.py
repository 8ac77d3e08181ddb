"""Strategies by name, and each replica's share of a batch."""

import socket

import processes
import pytest
import tensorflow as tf

from sagan_tf.distribution import strategies
from sagan_tf.errors import BadInput


def test_default_is_one_device():
    assert strategies.make_strategy("default").num_replicas_in_sync == 1


def test_mirrored_takes_all_devices():
    assert strategies.make_strategy("mirrored").num_replicas_in_sync == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [("mirored", "'mirored'"), ("multi_worker", "TF_CONFIG"), ("tpu", "TPU_NAME")],
)
def test_what_a_strategy_needs_is_named(name, words, monkeypatch):
    for variable in ("TF_CONFIG", "SLURM_PROCID", "TPU_NAME"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=f"Received: .*{words}|{words}.* Received:"):
        strategies.make_strategy(name)


@pytest.fixture
def stub(monkeypatch):
    """Stands in for TPUClusterResolver and notes what is asked of it and done with it.

    Its TPU answers at `stub.addresses`; what comes after the connection is a stub too.
    """
    monkeypatch.delenv("TPU_NAME", raising=False)

    class Resolver:
        addresses = []
        calls = []  # Of this test: the class is made anew for each.

        def __init__(self, **arguments):
            self.calls.append(("resolve", arguments))

        def cluster_spec(self):
            return tf.train.ClusterSpec({"worker": self.addresses})

    def note(name):
        return lambda resolver: Resolver.calls.append((name, type(resolver)))

    clusters = tf.distribute.cluster_resolver
    monkeypatch.setattr(clusters, "TPUClusterResolver", Resolver)
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", note("connect"))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", note("start"))
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda resolver: resolver)
    return Resolver


def test_a_tpu_is_resolved_connected_and_started_in_this_order(stub):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stub.addresses = [f"127.0.0.1:{server.getsockname()[1]}"]
        strategy = strategies.make_strategy("tpu", "mine", "us-east1-d", "project-7")
    assert stub.calls == [
        ("resolve", {"tpu": "mine", "zone": "us-east1-d", "project": "project-7"}),
        ("connect", stub),
        ("start", stub),
    ]
    assert isinstance(strategy, stub)


def test_tpu_name_is_the_environment_s_unless_it_is_given(stub, monkeypatch):
    monkeypatch.setenv("TPU_NAME", "local")
    strategies.make_strategy("tpu")
    strategies.make_strategy("tpu", "grpc://10.0.0.2:8470")
    asked = [what["tpu"] for call, what in stub.calls if call == "resolve"]
    assert asked == ["local", "grpc://10.0.0.2:8470"]


def test_a_tpu_that_does_not_answer_is_an_error_and_not_a_wait(stub):
    stub.addresses = processes.free_addresses(1)
    with pytest.raises(ValueError, match=f"'mine'.*answer from {stub.addresses[0]}"):
        strategies.make_strategy("tpu", "mine")
    assert [call for call, _ in stub.calls] == ["resolve"]


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, "failed to connect"),
        RuntimeError("failed to connect"),
    ],
    ids=["TensorFlow", "Python"],
)
def test_what_tensorflow_says_of_a_tpu_is_in_the_error(stub, monkeypatch, error):
    def fail(resolver):
        raise error

    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", fail)
    with pytest.raises(ValueError, match="--tpu_name.*failed to connect"):
        strategies.make_strategy("tpu", "local")


def test_a_batch_is_shared_out_evenly():
    strategy = strategies.make_strategy("mirrored")
    assert strategies.per_replica_batch_size(strategy, 12) == 6
    with pytest.raises(ValueError, match="replicas=2. Try --batch_size=14"):
        strategies.per_replica_batch_size(strategy, 13)
    with pytest.raises(ValueError, match="steps=4. Try --batch_size=16"):
        strategies.per_replica_batch_size(strategy, 12, parts=4)
    # Each part of each share needs a pair.
    assert strategies.per_replica_batch_size(strategy, 8, 2, True) == 4
    for size, parts in ((2, 1), (4, 2)):
        with pytest.raises(BadInput, match=rf"pairs.*replicas=2.*={16 * parts}\.$"):
            strategies.per_replica_batch_size(strategy, size, parts, True)


def test_two_replicas_get_the_two_halves_of_each_batch():
    strategy = strategies.make_strategy("mirrored")
    asked = []

    def make_dataset(count, index):
        asked.append((count, index))
        return tf.data.Dataset.range(8).batch(4, drop_remainder=True)

    dataset = strategies.share_out(strategy, make_dataset)
    batches = [strategy.experimental_local_results(batch) for batch in dataset]
    assert asked == [(1, 0)]
    assert [[part.numpy().tolist() for part in parts] for parts in batches] == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7]],
    ]


@pytest.mark.parametrize("size", [3, 5])
def test_a_second_strategy_in_one_process_works_too(size):
    """As in a notebook: collective operations of the first one were in the way."""
    strategy = strategies.make_strategy("mirrored")

    @tf.function
    def sums():
        def replica():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.ones([size])])

        return strategy.run(replica)

    (first, *_) = strategy.experimental_local_results(sums()[0])
    assert first.numpy().tolist() == [2.0] * size


@pytest.mark.parametrize(
    ("flags", "lacks"),
    [
        ("fma avx2 avx512f", True),
        ("avx2 avx512f avx512_bf16", False),
        ("asimd bf16 i8mm", False),
    ],
)
def test_imitated_bfloat16_is_known_by_the_processor_s_flags(tmp_path, flags, lacks):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse\n\n")
    assert strategies.lacks_bfloat16(path) is lacks
    assert not strategies.lacks_bfloat16(tmp_path / "missing")
