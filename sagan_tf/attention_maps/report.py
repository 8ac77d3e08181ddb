"""The work of the command `attention`: images, maps, values and their files."""

import dataclasses
import json
import pathlib

from sagan_tf.attention_maps import explorer, figure
from sagan_tf.attention_maps.measures import cells_of_pixels, pick_queries
from sagan_tf.attention_maps.page import Page
from sagan_tf.attention_maps.subjects import ChosenImages, generated_images, real_images
from sagan_tf.attention_maps.view import make_view
from sagan_tf.files import write_text
from sagan_tf.networks.attention_scores import attention_layers, map_shape
from sagan_tf.progress import progress_bar
from sagan_tf.run import building
from sagan_tf.settings import arguments


@dataclasses.dataclass(frozen=True)
class Report:
    """The attention of a run; `write` writes its files.

    Attributes:
        title: str, the run and its step.
        step: int.
        averaged: bool, True if the generator has the averaged weights.
        images: `ChosenImages`.
        views: list of (index of the image, `View`), image after image.
        layers: list of dicts, means over the images, see `explorer.mean_values`.
        history, gammas: see `explorer`; both are empty without a history.
        page: `Page`, or `None`.
    """

    title: str
    step: int
    averaged: bool
    images: ChosenImages
    views: list
    layers: list
    history: list
    gammas: dict
    page: Page | None

    def text(self):
        """Returns a table of layer values, for all checkpoints if it has a history."""
        records = self.history or [{"step": self.step, "layers": self.layers}]
        heads = ("gamma", "entropy", "of uniform", "distance", "uniform's")
        lines = [f"{'step':>9}  {'':<32}" + "".join(f"{h:>12}" for h in heads)]
        for record in records:
            lines += [
                f"{record['step']:>9,}  {_line(each)}" for each in record["layers"]
            ]
        return "\n".join(lines)

    def write(self, path, page_path=None):
        """Writes the figure, the JSON beside it, and the page.

        Args:
            path: path of the PNG; its folder is created.
            page_path: path of the HTML, if the report was made with one.

        Returns:
            List of the written paths.

        Raises:
            BadInput: there are too many views for a figure.
            OSError: a file cannot be written.
        """
        paths = [pathlib.Path(path), pathlib.Path(path).with_suffix(".json")]
        if page_path is not None:
            paths.append(pathlib.Path(page_path))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        views = [view for _, view in self.views]
        figure.write_attention(paths[0], views, self.title, self.history, self.gammas)
        write_text(paths[1], json.dumps(self.as_dict(), indent=2) + "\n")
        if page_path is not None:
            count = len(self.images)
            about = f"{count} {self.images.kind} image{'s'[: count > 1]}"
            about += ", averaged weights of the generator" if self.averaged else ""
            self.page.write(paths[2], f"Attention of {self.title}", about)
        return paths

    def as_dict(self):
        """Returns the content of attention.json: plain numbers and text."""
        labels = self.images.labels
        return {
            "step": self.step,
            "averaged_generator": self.averaged,
            "images": self.images.kind,
            "layers": self.layers,
            "pictures": [
                {
                    "title": title,
                    "number": self.images.numbers[index],
                    "label": None if labels is None else int(labels[index]),
                    "layers": [v.as_dict() for i, v in self.views if i == index],
                }
                for index, title in enumerate(self.images.titles)
            ],
            "history": self.history,
        }


def make_report(
    workdir,
    *,
    seeds,
    labels=None,
    points=None,
    num_queries=5,
    checkpoint="newest",
    network=None,
    images="generated",
    ema=True,
    with_page=False,
    with_history=False,
    skip_bad_images=False,
):
    """Makes the attention report of a run.

    Args:
        workdir: path of the run.
        seeds: list of ints; for real images, their positions in the data set.
        labels: str, see `arguments.parse_labels`.
        points: list of (x, y) in pixels, or `None` to pick `num_queries` for each map.
        num_queries: int.
        checkpoint, ema: see `building.load_generator`.
        network: see `explorer.networks_to_look_at`.
        images: `"generated"` or `"real"`.
        with_page: bool, whether to keep whole maps for a page.
        with_history: bool, whether to look at every checkpoint.
        skip_bad_images: bool, whether to leave out unreadable real images.

    Returns:
        `Report`.

    Raises:
        BadInput: the run, its attention, the points or the images do not exist.
    """
    loaded = building.load_networks(workdir, checkpoint, ema)
    *networks, config, class_names, step = loaded
    attending = explorer.networks_to_look_at(networks, network, images)
    grids = [map_shape(a) for net in attending.values() for a in attention_layers(net)]
    fixed = grids if points is not None else ()
    fixed = {grid: cells_of_pixels(points, config.resolution, grid) for grid in fixed}
    labels = arguments.parse_labels(labels, config.num_classes, class_names)
    count = len(seeds) * (len(labels) or 1)
    figure.check_rows(count * len(grids))
    page = Page(count, grids) if with_page else None
    chosen = _choose(images, skip_bad_images, config, seeds, labels, class_names)
    maps = explorer.explore(attending, networks[0], chosen)
    views = []
    with progress_bar("Looking at attention", count * len(grids), "maps") as bar:
        for index, pixels, attention_map in maps:
            scores = attention_map.scores
            cells = fixed.get(scores.shape)
            if cells is None:
                cells = pick_queries(scores, min(num_queries, scores[..., 0, 0].size))
            view = make_view(pixels, attention_map, cells, chosen.titles[index])
            views.append((index, view))
            if page:
                page.add(index, view, scores)
            bar.update()
    history, gammas = [], {}
    if with_history:
        history = explorer.history(workdir, config, networks, attending, chosen, ema)
        gammas = explorer.training_gammas(workdir, attending)
    return Report(
        title=f"{pathlib.Path(workdir).resolve().name}, step {step:,}",
        step=step,
        averaged=ema and config.ema_decay is not None,
        images=chosen,
        views=sorted(views, key=lambda pair: pair[0]),
        layers=explorer.mean_values(view for _, view in views),
        history=history,
        gammas=gammas,
        page=page,
    )


def _choose(kind, skip_bad_images, config, seeds, labels, class_names):
    choose = generated_images if kind == "generated" else real_images
    if skip_bad_images:
        config = dataclasses.replace(config, skip_bad_images=True)
    return choose(config, seeds, labels, class_names)


def _line(layer):
    name = f"{layer['network']} {layer['layer']}"
    line = f"{name:<32}{layer['gamma']:>12.4g}"
    if not layer["has_effect"]:
        return f"{line}   no effect: the layer passes its input on unchanged"
    columns = [
        f"{layer['entropy_bits']:.2f} bits",
        f"{layer['entropy_share']:.0%}",
        f"{layer['distance_pixels']:.1f} px",
        f"{layer['uniform_distance_pixels']:.1f} px",
    ]
    return line + "".join(f"{text:>12}" for text in columns)
