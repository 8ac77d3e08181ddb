"""What the command `sample` does with a run: pictures, animations, neighbours."""

import pathlib

from sagan_tf import images
from sagan_tf.drawing import animation
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.files import write_text
from sagan_tf.run import building
from sagan_tf.sampling import layouts
from sagan_tf.sampling import rows as sheets
from sagan_tf.sampling.neighbours import find_neighbours
from sagan_tf.settings import arguments

_STILL_FRAMES, _MOVING_FRAMES = 9, 25
_FRAME_SECONDS = 0.06


class Drawing:
    """A run's generator, and what is to be drawn with it.

    What is given is as the flags of these names: text.

    Args:
        workdir: path of the run.
        checkpoint: "newest", "best" or a step.
        ema: bool, whether the averaged weights are used, if the run has them.
        seeds, labels, truncation: numbers and ranges; see `sampling`.

    Attributes:
        step: int, of the weights.
        choice: `sheets.Choice`.

    Raises:
        BadInput: something cannot be understood, or there is no such run.
    """

    def __init__(self, workdir, *, checkpoint, ema, seeds, labels, truncation):
        seeds = arguments.parse_numbers(seeds, "seeds")
        truncations = arguments.parse_truncations(truncation)
        checkpoint = arguments.parse_step(checkpoint)
        self._generator, self._config, names, self.step = building.load_generator(
            workdir, checkpoint, ema
        )
        num_classes = self._config.num_classes
        self.choice = sheets.Choice(
            seeds,
            arguments.parse_labels(labels, num_classes),
            truncations,
            self._config.z_dim,
            num_classes,
            names if num_classes else (),
        )

    def write(
        self,
        output,
        *,
        interpolate=False,
        interpolate_labels=False,
        neighbours=None,
        neighbour_images=None,
        feature_network=None,
        inception=None,
        columns=None,
        frame_seconds=None,
        captions=None,
    ):
        """Writes a picture of all seeds, labels and truncations; or of something else.

        Args:
            output: path of a PNG; of a walk also of a GIF or WebP.
            interpolate, interpolate_labels: bool, whether to walk from seed to seed,
                from label to label, or both at once: in a PNG a row from each stop to
                the next.
            neighbours: int, how many of the nearest training pictures stand beside each
                picture. With them goes a `.neighbours.json` with distances, names and
                what is usual, which is printed too.
            neighbour_images: int, training pictures that are searched; `None` for all.
            feature_network, inception: see `features.open_feature_network`; `None` for
                those of the run.
            columns: int, pictures in a row, or of a walk from stop to stop; `None` for
                what suits them.
            frame_seconds: float, of a frame of an animation; `None` for 0.06.
            captions: bool, whether there are words beside the pictures; `None` for
                where truncations or classes change, and with neighbours.

        Returns:
            What was written, in words.

        Raises:
            BadInput: there is nowhere to walk to, feature network or data cannot be
                had, or there are too few training pictures.
        """
        if neighbours:
            network = self._open_network(feature_network, inception)
            return self._write_neighbours(
                output, network, neighbours, neighbour_images, columns, captions
            )
        if captions is None:
            captions = interpolate_labels or len(self.choice.truncations) > 1
        if not (interpolate or interpolate_labels):
            rows = sheets.rows_of_seeds(self.choice)
            pixels = sheets.draw(self._generator, rows)
            picture = layouts.seed_rows(rows, pixels, self.choice, columns, captions)
            images.write_png(_with_folder(output), picture)
            return _count(pixels)
        moves = animation.is_animation(output)
        frames = columns or (_MOVING_FRAMES if moves else _STILL_FRAMES)
        rows = self._walks(interpolate, interpolate_labels, frames, moves)
        pixels = sheets.draw(self._generator, rows)
        if not moves:
            picture = layouts.still_walks(rows, pixels, captions)
            images.write_png(_with_folder(output), picture)
            return _count(pixels)
        pictures, seconds = layouts.moving_walks(
            rows, pixels, frame_seconds or _FRAME_SECONDS, captions
        )
        animation.write_animation(_with_folder(output), pictures, seconds)
        return f"{len(pictures)} frames, {sum(seconds):.1f} seconds,"

    def _open_network(self, feature_network, inception):
        name = feature_network or self._config.feature_network
        try:
            return open_feature_network(name, inception or self._config.inception)
        except ValueError as error:
            if name != "inception":
                raise
            raise BadInput(
                f"{error} Or take a classifier that knows these pictures, of python -m "
                "sagan_tf.train_classifier: --feature_network=DIR."
            ) from error

    def _walks(self, in_z, in_classes, frames, moves):
        if in_z and in_classes:
            return sheets.double_walks(self.choice, frames)
        if in_classes:
            return sheets.class_walks(self.choice, frames)
        return sheets.z_walks(self.choice, frames, keep_class=moves)

    def _write_neighbours(self, output, network, count, num_images, columns, captions):
        rows = sheets.rows_of_seeds(self.choice)
        pixels = sheets.draw(self._generator, rows)
        pixels = pixels.reshape(-1, *pixels.shape[2:])
        found = find_neighbours(self._config, network, pixels, count, num_images)
        samples = sheets.describe_seeds(self.choice)
        texts = None if captions is False else self._words(samples, found)
        picture = layouts.neighbour_blocks(pixels, found.pixels, texts, columns)
        notes = pathlib.Path(output).with_suffix(".neighbours.json")
        images.write_png(_with_folder(output), picture)
        write_text(notes, found.to_json(samples))
        print("\n".join(found.report()))
        return f"{len(pixels):,} pictures and their neighbours (distances: {notes})"

    def _words(self, samples, found):
        """What stands below each generated picture and each of its neighbours."""
        words = []
        for row, sample in enumerate(samples):
            label = sample["label"]
            own = "" if label is None else self.choice.label_name(label)
            note = " copy?" if found.suspicious[row] else ""
            words.append(sheets.lines(f"seed {sample['seed']}{note}", own))
            for column, distance in enumerate(found.distances[row]):
                # The class is said where it is another one.
                other = "" if label is None else found.labels[row, column]
                name = "" if other in ("", label) else self.choice.label_name(other)
                words.append(sheets.lines(f"{distance:#.3g}", name))
        return words


def _count(pixels):
    return f"{pixels.shape[0] * pixels.shape[1]:,} pictures"


def _with_folder(output):
    """The path of a file, whose folder is made if it is not there."""
    path = pathlib.Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
