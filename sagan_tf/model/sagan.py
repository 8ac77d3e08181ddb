"""SAGAN as a Keras model: the training step, EMA, and generating images."""

import keras
import tensorflow as tf

from sagan_tf.distribution.keras_fit import MultiWorkerFit
from sagan_tf.distribution.strategies import leave_graphs_as_they_are_on_cpus
from sagan_tf.errors import BadInput
from sagan_tf.model import step_metrics
from sagan_tf.model.adam import official_adam, refuse_average, with_loss_scale
from sagan_tf.model.adversarial_losses import Losses, call, count_of
from sagan_tf.model.arguments import (
    check_arguments,
    check_networks,
    check_numbers,
    computes_in_float16,
    head_of,
    refuse_arguments_of_keras,
    refuse_shared_optimizers,
    split_batch,
)
from sagan_tf.model.batches import unpacked
from sagan_tf.model.fitting import Fitting
from sagan_tf.model.generating import Generating
from sagan_tf.model.learning_rates import OptimizerPair
from sagan_tf.model.moving_average import update_average
from sagan_tf.networks.freezing import freeze_blocks
from sagan_tf.networks.losses import LOSSES

_ARGUMENTS = (
    "name",
    "generator",
    "discriminator",
    "z_dim",
    "num_classes",
    "discriminator_steps",
    "gradient_accumulation_steps",
    "fake_labels",
    "class_loss_weight",
    "mode_seeking_weight",
    "mode_seeking_distance",
    "augmentation",
    "ema_decay",
    "ema_start_step",
    "seed",
    "freeze_discriminator_blocks",
)


@keras.saving.register_keras_serializable(package="sagan_tf")
class SAGAN(Fitting, MultiWorkerFit, Generating, Losses, keras.Model):
    """A generator G and a discriminator D that are trained against each other.

    One training step is, as in the official program,

    1. generator step: new z and fake labels; the generator's loss on D(G(z)); nothing
       in D changes;
    2. discriminator step: new z and fake labels, fakes from the updated generator
       (whose `u` and batch-norm statistics change again); one pass of D over real and
       fake together, so that both see the same W / sigma and D's `u` changes once.

    With a larger learning rate for D this is the two time-scale update rule (TTUR,
    arXiv 1706.08500).

    Noise and fake labels are functions of the seed and the step, drawn for the global
    batch. So a resumed run, and any number of replicas, see the same values.

    Args:
        generator: `keras.Model`, `[z, labels] -> images` (or `z -> images`).
        discriminator: `keras.Model`, `[images, labels] -> logits` (or `images ->`), or,
            for AC-GAN, `images ->` logits and class logits, `(B, 1 + num_classes)`.
        z_dim: int, length of z; read from the generator if `None`.
        num_classes: int, 0 for an unconditional model; read from the discriminator's
            head if `None`.
        discriminator_steps: int, discriminator steps per generator step. A batch of
            the data set holds the real images of all of them.
        gradient_accumulation_steps: int, micro-batches whose gradients are averaged
            for one update. Each has its own batch statistics and updates `u`.
        fake_labels: `"uniform"` (official) or `"data"`: drawn from the labels of the
            batch, y ~ p_data as in the paper.
        class_loss_weight: float >= 0, weight of the class losses of both networks if
            D has an `AuxiliaryClassifierHead`. D's is that of real plus fake images.
        mode_seeking_weight: float >= 0, weight of `losses.mode_seeking` in the
            generator's loss. Above 0, the labels of a generator step come in pairs.
        mode_seeking_distance: float > 0, the distance that these pairs should have.
        augmentation: `Augmentation` of real and generated images before D, or `None`.
        ema_decay: float in (0, 1) for a moving average of the generator's weights, or
            `None`. Weights and batch-norm statistics are averaged, `u` is copied.
        ema_start_step: int, step before which the average is a copy of the weights.
        seed: int, seed of z and fake labels.
        freeze_discriminator_blocks: int, number of blocks of D nearest to the image
            that are not trained, see `freeze_blocks`.

    Attributes:
        ema_generator: the averaged generator, `None` without `ema_decay`.
        step: int64 variable, number of generator updates so far.
        first_nonfinite_step: int64 variable, the first step with a NaN or infinite
            image, loss or weight; -1 if there was none.

    Raises:
        BadInput: an argument is out of range, or does not fit the networks.

    Reference: self-attention-gan `model.py`, `train_imagenet.py`
    """

    def __init__(
        self,
        generator,
        discriminator,
        z_dim=None,
        num_classes=None,
        discriminator_steps=1,
        gradient_accumulation_steps=1,
        fake_labels="uniform",
        class_loss_weight=1.0,
        mode_seeking_weight=0.0,
        mode_seeking_distance=0.4,
        augmentation=None,
        ema_decay=None,
        ema_start_step=0,
        seed=0,
        freeze_discriminator_blocks=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_networks(generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.z_dim = z_dim or generator.inputs[0].shape[-1]
        if num_classes is None:
            num_classes = getattr(head_of(discriminator), "num_classes", None)
        self.num_classes = num_classes or None
        self.discriminator_steps = discriminator_steps
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.freeze_discriminator_blocks = freeze_discriminator_blocks
        self.fake_labels = fake_labels
        self.class_loss_weight = class_loss_weight
        self.mode_seeking_weight = mode_seeking_weight
        self.mode_seeking_distance = mode_seeking_distance
        self.augmentation = augmentation
        self.adapts_augmentation = getattr(augmentation, "target", None) is not None
        self.ema_decay = ema_decay
        self.ema_start_step = ema_start_step
        self.seed = seed
        check_arguments(self)
        freeze_blocks(discriminator, freeze_discriminator_blocks)
        self.ema_generator = None
        if ema_decay is not None:
            self.ema_generator = keras.models.clone_model(generator)
            self.ema_generator.set_weights(generator.get_weights())
            self.ema_generator.trainable = False
        counter = {"dtype": "int64", "trainable": False}
        counter["aggregation"] = "only_first_replica"
        minus_one = keras.initializers.Constant(-1)
        self.step = self.add_weight((), "zeros", name="step", **counter)
        self.first_nonfinite_step = self.add_weight(
            (), minus_one, name="first_nonfinite_step", **counter
        )
        self._trackers = step_metrics.make_trackers(self)
        self.built = True

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="hinge",
        jit_compile=False,
        steps_per_execution=1,
        run_eagerly=False,
        optimizer=None,
        metrics=None,
        weighted_metrics=None,
        loss_weights=None,
    ):
        """Sets the optimizers and the loss.

        `model.optimizer` is an `OptimizerPair`: callbacks that set its learning rate
        set both rates and keep their ratio. Without a GPU, TensorFlow's graph rewriting
        is switched off in this process: see `leave_graphs_as_they_are_on_cpus`.

        Args:
            generator_optimizer: Keras optimizer; default: the official Adam, 1e-4.
            discriminator_optimizer: Keras optimizer; default: the official Adam, 4e-4.
            loss: `"hinge"` (official), `"kl"` (official), `"non_saturating"` or
                `"wasserstein"`, see `losses.py`.
            jit_compile, steps_per_execution, run_eagerly: see `keras.Model.compile`.
            optimizer, metrics, weighted_metrics, loss_weights: arguments of Keras that
                raise an error, because a SAGAN does not have them.

        Raises:
            BadInput: unknown loss; an argument that a SAGAN does not have; an optimizer
                that averages weights; one optimizer for both networks, or one for other
                networks; 16-bit weights.
        """
        refuse_arguments_of_keras(optimizer, metrics, weighted_metrics, loss_weights)
        if loss not in LOSSES:
            raise BadInput(
                f"loss must be one of {', '.join(LOSSES)}. Received: {loss!r}."
            )
        check_numbers(1, {"steps_per_execution": steps_per_execution})
        optimizers = [
            keras.optimizers.get(generator_optimizer or official_adam(1e-4)),
            keras.optimizers.get(discriminator_optimizer or official_adam(4e-4)),
        ]
        for each in optimizers:
            refuse_average(each)
        networks = self.generator, self.discriminator
        refuse_shared_optimizers(networks, optimizers)
        if computes_in_float16(networks):
            optimizers = [with_loss_scale(optimizer) for optimizer in optimizers]
        super().compile(
            optimizer=optimizers[0],
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        leave_graphs_as_they_are_on_cpus()
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.optimizer = OptimizerPair(*optimizers)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.loss_name = loss

    def train_step(self, data):
        """Runs one generator step and `discriminator_steps` discriminator steps.

        Args:
            data: `(images, labels)`, or images alone when unconditional. Images
                `(discriminator_steps * B, R, R, C)` float32 in [-1, 1], labels int32.

        Returns:
            Dict of the metrics, see `metrics`.
        """
        batches, count = split_batch(self, data), self.gradient_accumulation_steps
        g_loss = self.generator_step(list(enumerate(batches[:count])))
        # Each pass has its own number, and so its own z.
        passes = list(enumerate(batches, start=count))
        d_losses = [
            self.discriminator_step(passes[first : first + count])
            for first in range(0, len(passes), count)
        ]
        self._note_nonfinite(unpacked(data)[0], [g_loss, *d_losses])
        self.step.assign(self.step + 1)
        if self.ema_generator is not None:
            started = self.step.value > self.ema_start_step
            decay = tf.where(started, self.ema_decay, 0.0)
            update_average(self.ema_generator, self.generator, decay)
        for name, gamma in self.gammas().items():
            self._trackers[name].update_state(gamma)
        return {tracker.name: tracker.result() for tracker in self.metrics}

    def generator_step(self, passes):
        """Updates the generator once. Nothing in the discriminator changes.

        Args:
            passes: list of (draw, (images, labels)), one for each micro-batch: the
                number of the pass for `draw_latents`, and real data.

        Returns:
            The loss, summed over the passes.
        """

        def loss_of(draw, images, real_labels):
            pairs = self.mode_seeking_weight > 0
            z, labels = self.draw_latents(draw, count_of(images), real_labels, pairs)
            loss = self.generator_loss(z, labels, draw)
            self._trackers["g_loss"].update_state(loss)
            return loss

        return self._update(self.generator, self.generator_optimizer, loss_of, passes)

    def discriminator_step(self, passes):
        """Updates the discriminator once, in one pass over real and fake together.

        The generator's `u` and moving statistics change, as in the official program.
        The argument and the result are those of `generator_step`.
        """
        signs = []

        def loss_of(draw, images, real_labels):
            z, labels = self.draw_latents(draw, count_of(images), real_labels)
            fakes = tf.stop_gradient(call(self.generator, z, labels))
            if labels is not None:
                labels = tf.concat([tf.cast(real_labels, tf.int32), labels], 0)
            loss, *logits = self.discriminator_loss(images, fakes, labels, draw)
            step_metrics.track_discriminator(self._trackers, loss, *logits, labels)
            signs.append(tf.sign(tf.cast(tf.split(logits[0], 2)[0], tf.float32)))
            return loss

        network, optimizer = self.discriminator, self.discriminator_optimizer
        loss = self._update(network, optimizer, loss_of, passes)
        if self.adapts_augmentation:
            replica = tf.distribute.get_replica_context()
            sign = replica.all_reduce("mean", tf.reduce_mean(tf.concat(signs, 0)))
            count = sum(count_of(images) for _, (images, _) in passes)
            self.augmentation.adapt(sign, count * replica.num_replicas_in_sync)
            probability = self.augmentation.probability
            self._trackers["augment_probability"].update_state(probability)
        return loss

    def _update(self, network, optimizer, loss_of, passes):
        """Updates once with the mean of the gradients of `loss_of` over all passes."""
        variables = network.trainable_variables
        gradients, losses = [], []
        for draw, (images, labels) in passes:
            with tf.GradientTape() as tape:
                loss = loss_of(draw, images, labels)
                scaled = self._scaled(loss, optimizer)
            gradients.append(tape.gradient(scaled, variables))
            losses.append(loss)
        gradients = [tf.add_n(each) for each in zip(*gradients, strict=True)]
        optimizer.apply(gradients, variables)
        return tf.add_n(losses)

    def _scaled(self, loss, optimizer):
        # Keras sums gradients over replicas, and `_update` sums them over passes.
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        loss = loss / (replicas * self.gradient_accumulation_steps)
        return optimizer.scale_loss(loss)

    @property
    def metrics(self):
        """Means since the last reset, in the order of the logs: see `step_metrics`."""
        return list(self._trackers.values())

    def gammas(self):
        """See `step_metrics.gammas`."""
        return step_metrics.gammas(self.generator, self.discriminator)

    def checkpoint_items(self):
        """Returns a dict of name to object: all that a resumed training needs."""
        names = ["generator", "discriminator", "generator_optimizer"]
        names += ["discriminator_optimizer", "step", "first_nonfinite_step"]
        if self.ema_generator is not None:
            names.append("ema_generator")
        if self.adapts_augmentation:
            names.append("augmentation")
        return {name: getattr(self, name) for name in names}

    def _note_nonfinite(self, images, losses):
        # The losses alone are not enough: oneDNN's convolution with a ReLU turns NaN
        # into 0. A sum is not finite if one of its terms is not.
        weights = self.generator.variables + self.discriminator.variables
        values = [
            tf.convert_to_tensor(images),
            *losses,
            *(tf.convert_to_tensor(each) for each in weights),
        ]
        values = [each for each in values if each.dtype.is_floating]
        # One constant for all values of a rank makes the graph smaller. The rank of
        # images from a Python generator without shapes is unknown.
        ranks = {x.shape.rank for x in values} - {None}
        axes = {rank: tf.range(rank) for rank in ranks}
        sums = [tf.reduce_sum(x, axes.get(x.shape.rank)) for x in values]
        sums = tf.stack([tf.cast(each, tf.float32) for each in sums])
        finite = tf.reduce_all(tf.math.is_finite(sums))
        noted = self.first_nonfinite_step.value
        is_first = tf.logical_and(~finite, noted < 0)
        self.first_nonfinite_step.assign(tf.where(is_first, self.step.value + 1, noted))

    def get_config(self):
        return keras.saving.serialize_keras_object(
            {name: getattr(self, name) for name in _ARGUMENTS}
        )

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def get_compile_config(self):
        if not self.compiled:
            return None
        return keras.saving.serialize_keras_object(
            {
                "generator_optimizer": self.generator_optimizer,
                "discriminator_optimizer": self.discriminator_optimizer,
                "loss": self.loss_name,
                "jit_compile": self.jit_compile,
                "steps_per_execution": self.steps_per_execution,
                "run_eagerly": self.run_eagerly,
            }
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
