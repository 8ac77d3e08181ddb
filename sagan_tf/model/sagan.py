"""SAGAN as a Keras model: the training step, EMA, and drawing pictures."""

import keras
import tensorflow as tf

from sagan_tf.distribution.keras_fit import MultiWorkerFit
from sagan_tf.errors import BadInput
from sagan_tf.layers import (
    AuxiliaryClassifierHead,
    ProjectionHead,
    ResidualBottleneck,
    SelfAttention,
    normalized_weights,
    shared_weights,
)
from sagan_tf.model import latents
from sagan_tf.model.adam import Adam
from sagan_tf.networks.losses import LOSSES, class_cross_entropy

FAKE_LABELS = ("uniform", "data")
CLASS_ACCURACIES = ("real_class_accuracy", "fake_class_accuracy")


def official_adam(learning_rate):
    """Adam as the official code has it: beta1 0, TensorFlow 1's beta2 and epsilon."""
    return Adam(learning_rate, beta_1=0.0, beta_2=0.999, epsilon=1e-8)


@keras.saving.register_keras_serializable(package="sagan_tf")
class SAGAN(MultiWorkerFit, keras.Model):
    """A generator and a discriminator that are trained against each other.

    One training step is, as in the official program,

    1. generator step: new z and fake labels; the generator's loss on D(G(z)); nothing
       in D moves;
    2. discriminator step: new z and fake labels, fakes from the updated generator
       (whose `u` and batch-norm statistics move again); one pass of D over real and
       fake together, so that both see the same W / sigma and D's `u` moves once.

    The two have optimizers of their own: with a larger learning rate for D this is the
    two time-scale update rule (TTUR, arXiv 1706.08500).

    Noise and fake labels of step n are functions of (seed, n, replica): a run that is
    resumed draws what it would have drawn. They are drawn for the global batch, of
    which each replica takes its slice: the number of replicas does not change them.

    Args:
        generator: `keras.Model`, `[z, labels] -> images` (or `z -> images`).
        discriminator: `keras.Model`, `[images, labels] -> logits` (or `images ->`), or,
            for AC-GAN, `images ->` logits and class logits, `(B, 1 + num_classes)`.
        z_dim: int, length of z; read from the generator if `None`.
        num_classes: int, 0 for an unconditional model; read from the discriminator's
            head if `None`.
        discriminator_steps: int, discriminator steps per generator step, each on fresh
            data: a batch of the data set holds the real images of all of them.
        gradient_accumulation_steps: int, micro-batches whose gradients are averaged
            for one update. Batch-norm statistics are those of a micro-batch, and `u`
            moves at each.
        fake_labels: `"uniform"` (official) or `"data"`: drawn from the labels of the
            batch, y ~ p_data as in the paper.
        class_loss_weight: float >= 0, of the class losses of both networks, if the
            discriminator has an `AuxiliaryClassifierHead`. D's is the cross entropy of
            real images plus that of fake ones.
        ema_decay: float in (0, 1) for a moving average of the generator's weights, or
            `None`. Weights and batch-norm statistics are averaged, `u` is copied.
        ema_start_step: int, before which the average is a copy.
        seed: int, of z and fake labels.

    Attributes:
        ema_generator: the averaged generator, `None` without `ema_decay`.
        step: int64 variable, generator updates done.
        first_nonfinite_step: int64 variable, the first step with a loss that is NaN or
            infinite; -1 if there was none.

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
        ema_decay=None,
        ema_start_step=0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.discriminator = discriminator
        self.z_dim = z_dim or generator.inputs[0].shape[-1]
        if num_classes is None:
            num_classes = _classes_of(discriminator)
        self.num_classes = num_classes or None
        self.discriminator_steps = discriminator_steps
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.fake_labels = fake_labels
        self.class_loss_weight = class_loss_weight
        self.ema_decay = ema_decay
        self.ema_start_step = ema_start_step
        self.seed = seed
        self._check_arguments()
        self.ema_generator = None
        if ema_decay is not None:
            self.ema_generator = keras.models.clone_model(generator)
            self.ema_generator.set_weights(generator.get_weights())
            self.ema_generator.trainable = False
        self.step = self._add_counter("step", "zeros")
        self.first_nonfinite_step = self._add_counter(
            "first_nonfinite_step", keras.initializers.Constant(-1)
        )
        self._trackers = {
            name: keras.metrics.Mean(name=name)
            for name in (
                *("g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"),
                *(CLASS_ACCURACIES if self._has_classifier() else ()),
                *self.gammas(),
            )
        }
        self.built = True

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="hinge",
        jit_compile=False,
        steps_per_execution=1,
        run_eagerly=False,
    ):
        """Sets the optimizers and the loss.

        Args:
            generator_optimizer: Keras optimizer; default: the official Adam, 1e-4.
            discriminator_optimizer: Keras optimizer; default: the official Adam, 4e-4.
            loss: `"hinge"` (official), `"kl"` (official), `"non_saturating"` or
                `"wasserstein"`, see `losses.py`.
            jit_compile: bool, whether XLA compiles the training step.
            steps_per_execution: int, training steps per call from Python.
            run_eagerly: bool, for debugging.

        Raises:
            BadInput: unknown loss.
        """
        if loss not in LOSSES:
            raise BadInput(
                f"loss must be one of {', '.join(LOSSES)}. Received: {loss!r}."
            )
        optimizers = [
            keras.optimizers.get(generator_optimizer or official_adam(1e-4)),
            keras.optimizers.get(discriminator_optimizer or official_adam(4e-4)),
        ]
        if keras.config.dtype_policy().name == "mixed_float16":
            optimizers = [_with_loss_scale(optimizer) for optimizer in optimizers]
        super().compile(
            optimizer=optimizers[0],
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.loss_name = loss

    def train_step(self, data):
        """One generator step and `discriminator_steps` discriminator steps.

        Args:
            data: `(images, labels)`, or images alone when unconditional. Images
                `(discriminator_steps * B, R, R, C)` float32 in [-1, 1], labels int32.

        Returns:
            Dict of the metrics, see `metrics`.
        """
        batches = self._split(data)
        accumulated = self.gradient_accumulation_steps
        # D does not change in the generator's step: both see one and the same W / sigma
        # of it. The tape goes on in the discriminator's step.
        with tf.GradientTape() as tape:
            weights = normalized_weights(self.discriminator, update_u=True)
        with shared_weights(weights):
            g_loss = self.generator_step(list(enumerate(batches[:accumulated])))
        passes = list(enumerate(batches, start=accumulated))
        d_losses = []
        for first in range(0, len(passes), accumulated):
            some = passes[first : first + accumulated]
            d_losses.append(self.discriminator_step(some, tape, weights))
            tape, weights = None, None
        self._note_nonfinite(g_loss, *d_losses)
        self.step.assign(self.step + 1)
        self._update_ema()
        for name, gamma in self.gammas().items():
            self._trackers[name].update_state(gamma)
        return {tracker.name: tracker.result() for tracker in self.metrics}

    def generator_step(self, passes):
        """One update of the generator. Nothing in the discriminator moves.

        Args:
            passes: list of (draw, (images, labels)), one a micro-batch: the number of
                the pass for `draw_latents`, and real data, used for its size (and its
                labels if `fake_labels` is `"data"`).

        Returns:
            The loss, summed over the passes.
        """
        optimizer = self.generator_optimizer
        variables = self.generator.trainable_variables
        gradients, losses = [], []
        for draw, (images, real_labels) in passes:
            z, labels = self.draw_latents(draw, _count(images), real_labels)
            with tf.GradientTape() as tape:
                loss = self.generator_loss(z, labels)
                scaled = self._scaled(loss, optimizer)
            gradients.append(tape.gradient(scaled, variables))
            losses.append(loss)
            self._trackers["g_loss"].update_state(loss)
        optimizer.apply(_sum_each(gradients), variables)
        return tf.add_n(losses)

    def discriminator_step(self, passes, tape=None, weights=None):
        """One update of the discriminator, on one pass over real and fake together.

        The generator's `u` and moving statistics move, as in the official program.

        Args:
            passes: see `generator_step`.
            tape: `tf.GradientTape` that recorded how `weights` were made, or `None`.
            weights: the discriminator's `normalized_weights`, whose `u` have moved, for
                the first pass; `None` to compute them here.

        Returns:
            The loss, real and fake terms, summed over the passes.
        """
        optimizer = self.discriminator_optimizer
        variables = self.discriminator.trainable_variables
        gradients, losses = [], []
        for draw, (images, real_labels) in passes:
            count = _count(images)
            z, labels = self.draw_latents(draw, count, real_labels)
            fakes = _call(self.generator, z, labels)
            if labels is not None:
                labels = tf.concat([tf.cast(real_labels, tf.int32), labels], 0)
            with tape or tf.GradientTape() as tape, shared_weights(weights):
                loss, logits, class_logits = self.discriminator_loss(
                    images, fakes, labels
                )
                scaled = self._scaled(loss, optimizer)
            gradients.append(tape.gradient(scaled, variables))
            tape, weights = None, None
            losses.append(loss)
            self._track_discriminator(loss, *tf.split(logits, 2))
            self._track_classifier(class_logits, labels)
        optimizer.apply(_sum_each(gradients), variables)
        return tf.add_n(losses)

    def generator_loss(self, z, labels):
        """The generator's loss on D(G(z)), of which D's `u` take no notice.

        Args:
            z: `(B, z_dim)` float tensor.
            labels: `(B,)` int32 tensor, or `None` when unconditional.

        Returns:
            Scalar tensor.
        """
        fakes = _call(self.generator, z, labels)
        # Whatever D would update here stays as it is: its `u`.
        with keras.StatelessScope():
            logits, class_logits = self._judge(fakes, labels)
        loss = LOSSES[self.loss_name][1](logits)
        return loss + self._class_loss(class_logits, labels)

    def discriminator_loss(self, images, fakes, labels):
        """The discriminator's loss, on one pass over real and fake together.

        Args:
            images, fakes: `(B, R, R, C)` float tensors, real and generated.
            labels: `(2 B,)` int32 tensor, those of both, or `None` when unconditional.

        Returns:
            Scalar tensor; logits `(2 B, 1)`, the real images' first; class logits
            `(2 B, num_classes)`, or `None` without a classifier.
        """
        both = tf.concat([tf.cast(images, fakes.dtype), fakes], 0)
        logits, class_logits = self._judge(both, labels)
        loss = sum(LOSSES[self.loss_name][0](*tf.split(logits, 2)))
        # Of real and fake images, as many of each: the sum of their means.
        loss += 2 * self._class_loss(class_logits, labels)
        return loss, logits, class_logits

    def draw_latents(self, draw, count, real_labels=None):
        """Draws z and fake labels for one pass of the present step.

        Args:
            draw: int, which of the step's passes.
            count: int or int tensor, images on this replica.
            real_labels: `(count,)` int32 tensor, used if `fake_labels` is `"data"`.

        Returns:
            z `(count, z_dim)`, labels `(count,)` int32 or `None` when unconditional.
        """
        replica = tf.distribute.get_replica_context()
        total = count * replica.num_replicas_in_sync
        first = count * tf.cast(replica.replica_id_in_sync_group, tf.int32)
        dtype = self.generator.inputs[0].dtype
        z = latents.draw_training_z(
            self.seed, self.step.value, draw, total, self.z_dim, dtype
        )
        z = tf.slice(z, [first, 0], [count, self.z_dim])
        if self.num_classes is None:
            return z, None
        from_data = self.fake_labels == "data"
        labels = latents.draw_training_labels(
            *(self.seed, self.step.value, draw, total),
            count if from_data else self.num_classes,
        )
        labels = tf.slice(labels, [first], [count])
        return z, tf.gather(real_labels, labels) if from_data else labels

    def generate(self, z, labels=None, ema=True):
        """Generates images in inference mode.

        Args:
            z: `(N, z_dim)` float array or tensor.
            labels: `(N,)` ints in [0, num_classes), or `None` when unconditional.
            ema: bool, whether the averaged generator is used, if there is one.

        Returns:
            Images, `(N, R, R, C)` float32 in [-1, 1].

        Raises:
            BadInput: labels are missing, superfluous or out of range.
        """
        averaged = ema and self.ema_generator is not None
        network = self.ema_generator if averaged else self.generator
        if (labels is None) != (self.num_classes is None):
            raise BadInput(
                f"This model has num_classes={self.num_classes}, so it generates "
                f"{'without' if self.num_classes is None else 'with'} labels. "
                f"Received: labels={labels!r}."
            )
        z = tf.convert_to_tensor(z, network.inputs[0].dtype)
        if labels is None:
            return network(z, training=False)
        labels = tf.convert_to_tensor(labels, tf.int32)
        if tf.reduce_any((labels < 0) | (labels >= self.num_classes)):
            raise BadInput(
                f"labels must be in [0, {self.num_classes}). "
                f"Received: {labels.numpy().tolist()}."
            )
        return network([z, labels], training=False)

    def sample(self, count, labels=None, seed=0, ema=True, truncation=None):
        """Generates `count` images, of which image i depends on `(seed, i)` alone.

        Args:
            count: int, number of images.
            labels: one int for all, `(count,)` ints, or `None` for labels drawn from
                `(seed, i)`.
            seed: int.
            ema: see `generate`.
            truncation: see `latents.draw_z`.

        Returns:
            Images, `(count, R, R, C)` float32 in [-1, 1].
        """
        indices = range(count)
        z = latents.draw_z(indices, self.z_dim, seed, truncation)
        if self.num_classes is not None and labels is None:
            labels = latents.draw_labels(indices, self.num_classes, seed)
        elif labels is not None:
            labels = tf.broadcast_to(tf.convert_to_tensor(labels, tf.int32), [count])
        return self.generate(z, labels, ema)

    def call(self, inputs, training=False):
        """The generator: `[z, labels] -> images`."""
        return self.generator(inputs, training=training)

    @property
    def metrics(self):
        """Means since the last reset, in the order of the logs.

        `g_loss`, `d_loss`; `real_logits`, `fake_logits` and `d_accuracy` (share of real
        logits above and fake logits below 0) as D sees them in its own step; with an
        auxiliary classifier its `real_class_accuracy` and `fake_class_accuracy`;
        `gamma_<network>_<layer>` of each attention layer.
        """
        return list(self._trackers.values())

    def gammas(self):
        """Dict of metric name to the gamma of each attention layer or its stand-in."""
        # As tensors: a variable of several replicas is no number outside of them.
        return {
            f"gamma_{letter}_{layer.name}": tf.convert_to_tensor(layer.gamma)
            for letter, network in (("g", self.generator), ("d", self.discriminator))
            for layer in network.layers
            if isinstance(layer, (ResidualBottleneck, SelfAttention))
        }

    def checkpoint_items(self):
        """Dict of name to object: all that a resumed training needs."""
        items = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "step": self.step,
            "first_nonfinite_step": self.first_nonfinite_step,
        }
        if self.ema_generator is not None:
            items["ema_generator"] = self.ema_generator
        return items

    def _judge(self, images, labels):
        """The discriminator's logits, and its class logits or `None`."""
        if self._has_classifier():
            return tf.split(_call(self.discriminator, images, None), [1, -1], axis=1)
        return _call(self.discriminator, images, labels), None

    def _has_classifier(self):
        return isinstance(_head_of(self.discriminator), AuxiliaryClassifierHead)

    def _class_loss(self, class_logits, labels):
        if class_logits is None:
            return 0.0
        return self.class_loss_weight * class_cross_entropy(class_logits, labels)

    def _scaled(self, loss, optimizer):
        # Keras sums gradients over replicas, and the micro-batches' are summed here.
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        loss = loss / (replicas * self.gradient_accumulation_steps)
        return optimizer.scale_loss(loss)

    def _track_discriminator(self, loss, real_logits, fake_logits):
        correct = tf.concat([real_logits > 0, fake_logits < 0], 0)
        self._trackers["d_loss"].update_state(loss)
        self._trackers["real_logits"].update_state(real_logits)
        self._trackers["fake_logits"].update_state(fake_logits)
        self._trackers["d_accuracy"].update_state(tf.cast(correct, tf.float32))

    def _track_classifier(self, class_logits, labels):
        if class_logits is None:
            return
        correct = tf.argmax(class_logits, -1, labels.dtype) == labels
        for name, part in zip(CLASS_ACCURACIES, tf.split(correct, 2)):
            self._trackers[name].update_state(tf.cast(part, tf.float32))

    def _note_nonfinite(self, *losses):
        finite = tf.reduce_all([tf.math.is_finite(loss) for loss in losses])
        noted = self.first_nonfinite_step.value
        is_first = tf.logical_and(~finite, noted < 0)
        self.first_nonfinite_step.assign(tf.where(is_first, self.step.value + 1, noted))

    def _update_ema(self):
        if self.ema_generator is None:
            return
        started = self.step.value > self.ema_start_step
        decay = tf.where(started, self.ema_decay, 0.0)
        for average, variable in zip(
            self.ema_generator.variables, self.generator.variables, strict=True
        ):
            value = variable.value
            if variable.name != "u":
                weight = tf.cast(decay, value.dtype)
                value = average.value * weight + value * (1 - weight)
            average.assign(value)

    def _split(self, data):
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.num_classes is not None and labels is None:
            raise BadInput(
                "A model with classes is fitted on (images, labels). "
                "Received: images alone. Try networks of num_classes=0."
            )
        parts = self.discriminator_steps * self.gradient_accumulation_steps
        if images.shape[0] is not None and images.shape[0] % parts:
            raise BadInput(
                "The batch must be a multiple of discriminator_steps * "
                f"gradient_accumulation_steps = {parts}. "
                f"Received: a batch of {images.shape[0]} per replica."
            )
        labels = [None] * parts if self.num_classes is None else tf.split(labels, parts)
        return list(zip(tf.split(images, parts), labels, strict=True))

    def _add_counter(self, name, initializer):
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer=initializer,
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def _check_arguments(self):
        for network in (self.generator, self.discriminator):
            wanted = 1 if self.num_classes is None else 2
            if network is self.discriminator and self._has_classifier():
                wanted = 1
            if len(network.inputs) != wanted:
                raise BadInput(
                    f"With num_classes={self.num_classes} each network has {wanted} "
                    f"input(s). Received: {network.name} with {len(network.inputs)}. "
                    "Try the same num_classes in build_generator, build_discriminator "
                    "and SAGAN."
                )
        if _classes_of(self.discriminator) not in (None, self.num_classes):
            raise BadInput(
                f"num_classes must be that of the discriminator, "
                f"{_classes_of(self.discriminator)}. "
                f"Received: num_classes={self.num_classes}."
            )
        if self.generator.inputs[0].shape[-1] != self.z_dim:
            raise BadInput(
                f"z_dim must be that of the generator, "
                f"{self.generator.inputs[0].shape[-1]}. Received: z_dim={self.z_dim}."
            )
        if self.fake_labels not in FAKE_LABELS:
            raise BadInput(
                f"fake_labels must be one of {', '.join(FAKE_LABELS)}. "
                f"Received: {self.fake_labels!r}."
            )
        self._check_numbers()

    def _check_numbers(self):
        if min(self.discriminator_steps, self.gradient_accumulation_steps) < 1:
            raise BadInput(
                "discriminator_steps and gradient_accumulation_steps must be "
                f"at least 1. Received: {self.discriminator_steps}, "
                f"{self.gradient_accumulation_steps}."
            )
        if not 0 <= self.class_loss_weight < float("inf"):
            raise BadInput(
                "class_loss_weight must be at least 0. "
                f"Received: {self.class_loss_weight}. Try 1.0."
            )
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise BadInput(
                "ema_decay must be between 0 and 1, or None for no average. "
                f"Received: {self.ema_decay}. Try 0.9999."
            )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "z_dim": self.z_dim,
            "num_classes": self.num_classes,
            "discriminator_steps": self.discriminator_steps,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "fake_labels": self.fake_labels,
            "class_loss_weight": self.class_loss_weight,
            "ema_decay": self.ema_decay,
            "ema_start_step": self.ema_start_step,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        networks = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("generator", "discriminator")
        }
        return cls(**{**config, **networks})

    def get_compile_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "loss": self.loss_name,
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
            "run_eagerly": self.run_eagerly,
        }

    def compile_from_config(self, config):
        deserialize = keras.saving.deserialize_keras_object
        optimizers = {
            name: deserialize(config[name])
            for name in ("generator_optimizer", "discriminator_optimizer")
        }
        self.compile(**{**config, **optimizers})


def _count(images):
    """The size of the batch: an int if it is known when the step is traced."""
    return tf.shape(images)[0] if images.shape[0] is None else images.shape[0]


def _head_of(discriminator):
    """The discriminator's last layer, if it is one of ours."""
    for layer in discriminator.layers:
        if isinstance(layer, (ProjectionHead, AuxiliaryClassifierHead)):
            return layer
    return None


def _classes_of(discriminator):
    """The number of classes of the discriminator's head, if it has one."""
    head = _head_of(discriminator)
    return None if head is None else head.num_classes


def _call(network, inputs, labels):
    return network(inputs if labels is None else [inputs, labels], training=True)


def _sum_each(gradients):
    """Sums lists of gradients, variable by variable."""
    return [tf.add_n(each) for each in zip(*gradients, strict=True)]


def _with_loss_scale(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
