"""Make tests/reference/dataset/: what src/dataset says of a small labelled folder, in plain PyTorch.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_dataset.py

photos/CLASS/N.png    32 x 32, by formula: 5 of "bars", 4 of "rings", 3 of "waves"
residual.safetensors  numbers of Residual (method_networks.py) with the weights of formula.py, fed the
                      photos scaled to [0, 1], in double precision, rounded to float32. For each LAYER of
                      index.json, P photos in the order of class and number, C channels, K classes:
    LAYER/means       [P, C]     mean over space
    LAYER/most        [P, C]     greatest value
    LAYER/places      [P, C]     its place y * width + x; -1 where another value comes within 1e-5 of it
    LAYER/csi         [C]        class selectivity index (Leavitt & Morcos 2020): with the mean over the
                                 photos of a class of `means`, (most - rest) / (most + rest), where `most` is
                                 the greatest of the classes' means and `rest` the mean of the others
    LAYER/auc         [K, C]     scikit-learn's roc_auc_score of `means` for "is it this class?"
    LAYER/rows        [h, 2]     receptive field: for every row of the maps the first row of the input
                                 that it depends on and the one behind the last, by the gradient of a network
                                 whose parameters are all positive
    LAYER/best        [C, 3]     the photos with the greatest values, the greatest first
    LAYER/sums        [P, K]     for every photo, the sum of `means` over each class's unique top maps
index.json            photos, classes, layers, and for every layer `top`: by FeatureMapVisualizer's
                      definition with 4 maps a photo and 5 a class, for each class the maps unique
                      to it with the number of photos that have them, and the maps that classes share. Of maps
                      that occur equally often the smaller index is first.

The script asserts that no decision is near: that a photo's fourth and fifth mean, and the best photos of
a map, are no closer than 1e-5 of the greatest value.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from formula import formula_photo, with_formula_weights
from method_networks import Residual
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

FOLDER = Path(__file__).resolve().parent / "dataset"
CLASSES = {"bars": 5, "rings": 4, "waves": 3}
LAYERS = {"relu1": "relu1", "block1": "block1", "block2": "block2"}
PER_PHOTO, PER_CLASS, BEST = 4, 5, 3


def drawn(kind, n):
    y, x = np.mgrid[0:32, 0:32] / 32
    if kind == "bars":
        values = [0.5 + 0.5 * np.sin((9 + 4 * c + 3 * n) * (x + (0.13 + 0.2 * n) * y + 0.1 * x * y)) for c in range(3)]
    elif kind == "rings":
        radius = np.hypot(x - 0.3 - 0.1 * n, y - 0.5)
        values = [0.5 + 0.5 * np.cos((30 - 5 * c + 2 * n) * radius + c) for c in range(3)]
    else:
        values = formula_photo(32, 32, n)[0].numpy()
    # A colour for each kind, or all of them would have the same top maps.
    colour = 0.1 + 0.9 * (np.arange(3) == list(CLASSES).index(kind))
    return (255 * colour * np.stack(values, -1)).round().astype(np.uint8)


def photos():
    names, labels, inputs = [], [], []
    for label, (kind, count) in enumerate(CLASSES.items()):
        (FOLDER / "photos" / kind).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            name = f"{kind}/{n}.png"
            Image.fromarray(drawn(kind, n)).save(FOLDER / "photos" / name, optimize=True)
            pixels = np.asarray(Image.open(FOLDER / "photos" / name).convert("RGB"))
            inputs.append(torch.from_numpy(pixels.astype(np.float32) / np.float32(255)).permute(2, 0, 1))
            names.append(name)
            labels.append(label)
    return names, np.array(labels), torch.stack(inputs)


def activations(net, inputs):
    seen = {}
    hooks = [
        net.get_submodule(module).register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name, module in LAYERS.items()
    ]
    with torch.no_grad():
        net(inputs)
    for hook in hooks:
        hook.remove()
    return seen


def gap(values):
    """How close the two nearest are, relative to the greatest."""
    return np.diff(np.sort(values)).min() / max(np.abs(values).max(), 1e-12)


def apart(values, what):
    assert gap(values) > 1e-5, f"{what}: two values are {gap(values)} apart"


def top_maps(means, labels):
    lists, counts = [], []
    for label in range(len(CLASSES)):
        counter = Counter()
        for values in means[labels == label]:
            order = np.argsort(-values, kind="stable")
            apart(values[order[PER_PHOTO - 1 : PER_PHOTO + 1]], "fourth place")
            counter.update(order[:PER_PHOTO].tolist())
        ranked = sorted(counter, key=lambda channel: (-counter[channel], channel))
        lists.append(ranked[:PER_CLASS])
        counts.append(counter)
    times = Counter(channel for ranked in lists for channel in ranked)
    unique = [[[c, counts[k][c]] for c in ranked if times[c] == 1] for k, ranked in enumerate(lists)]
    return unique, sorted(c for c, count in times.items() if count > 1)


def rows(layer):
    net = Residual().double().eval()
    for tensor in [*net.parameters(), *net.buffers()]:
        if tensor.is_floating_point():
            tensor.data = tensor.data.abs() + 0.1
    kept = {}
    net.get_submodule(layer).register_forward_hook(lambda _, __, output: kept.update(output=output))
    photo = torch.ones(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    net(photo)
    found = []
    for y in range(kept["output"].shape[2]):
        (gradient,) = torch.autograd.grad(kept["output"][0, :, y].sum(), photo, retain_graph=True)
        touched = gradient.abs().sum(dim=(0, 1, 3)).nonzero()
        found.append([touched.min().item(), touched.max().item() + 1])
    return torch.tensor(found)


def main():
    FOLDER.mkdir(exist_ok=True)
    names, labels, inputs = photos()
    net = with_formula_weights(Residual()).double().eval()
    tensors, index = {}, {"photos": names, "classes": list(CLASSES), "layers": list(LAYERS), "top": {}}
    index |= {"per_photo": PER_PHOTO, "per_class": PER_CLASS}
    for layer, activation in activations(net, inputs.double()).items():
        means = activation.mean(dim=(2, 3)).numpy()
        flat = activation.flatten(2).numpy()
        most, places = flat.max(-1), flat.argmax(-1)
        for channel in range(means.shape[1]):
            for photo in range(len(names)):
                # A map of zeros is one exactly, and its first place counts.
                if most[photo, channel] > 0 and gap(np.sort(flat[photo, channel])[-2:]) < 1e-5:
                    places[photo, channel] = -1
            apart(np.sort(most[:, channel])[-BEST - 1 :], f"{layer} {channel}: the best photos")
        by_class = np.stack([means[labels == k].mean(0) for k in range(len(CLASSES))])
        high = by_class.max(0)
        rest = (by_class.sum(0) - high) / (len(CLASSES) - 1)
        auc = [[roc_auc_score(labels == k, column) for column in means.T] for k in range(len(CLASSES))]
        unique, shared = top_maps(means, labels)
        sums = np.stack([means[:, [c for c, _ in maps]].sum(1) for maps in unique], -1)
        index["top"][layer] = {"unique": unique, "shared": shared}
        values = {
            "means": means,
            "most": most,
            "places": places,
            "csi": (high - rest) / (high + rest),
            "auc": auc,
            "rows": rows(layer),
            "best": np.argsort(-most, axis=0, kind="stable")[:BEST].T.copy(),
            "sums": sums,
        }
        tensors |= {f"{layer}/{key}": torch.as_tensor(value).float().contiguous() for key, value in values.items()}
        print(layer, [len(maps) for maps in unique], "unique,", len(shared), "shared")
    path = FOLDER / "residual.safetensors"
    save_file(tensors, path)
    path.chmod(0o644)
    (FOLDER / "index.json").write_text(json.dumps({"residual": index}, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
