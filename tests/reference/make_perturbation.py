"""Make tests/reference/perturbation/: methods that change segments of a photo, and superpixels, as their peers compute them.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_perturbation.py

Peers: captum, lime and scikit-image at the versions of requirements.txt. make_xplique.py makes the numbers of RISE, Sobol
and HSIC, for which it needs an environment of its own; what both share stands here. Networks, photos, classes and targets
are those of make_methods.py; random numbers are those of noise.py, drawn as src/attribution/variants.rs draws them.

Every peer runs in double precision, and its values are rounded to float32.

Segments of a photo, MAP:

    grid      4 rows and 4 columns; row y of height is in row floor((y + 1/2) * 4 / height)
    own       3 * (((y + 2) // 3 + 2 * (x // 4)) % 7) + 2: labels with gaps, segments in pieces

NETWORK.safetensors, [segments], one value a segment in the order of labels:

feature_ablation/TARGET/MAP        captum's FeatureAblation
shapley_values/TARGET/MAP          captum's ShapleyValueSampling, 5 permutations
kernel_shap/TARGET/MAP             captum's KernelShap, 60 samples besides both ends, which captum gives a weight of 1e6
lime/TARGET/MAP                    lime's LimeImageExplainer, 60 samples; captum's Lime with the same kernel and ridge
                                   regression is the same

For MAP own, the baseline is 0.7; for grid, 0.

slic/N.png holds scikit-image's superpixels, a grey level each, of the picture in row N of slic/index.json.
"""

import json
import math
import os
from pathlib import Path
from unittest import mock

os.environ["TQDM_DISABLE"] = "1"

import numpy as np
import torch
from formula import with_formula_weights
from noise import Noise

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "perturbation"
PERMUTATIONS = 5
SAMPLES = 60
BASELINES = {"grid": 0.0, "own": 0.7}


class Draws:
    """Those of src/attribution/variants.rs."""

    def __init__(self, seed=0):
        self.noise = Noise(seed)
        self.shares = iter(())

    def share(self):
        try:
            return next(self.shares)
        except StopIteration:
            self.shares = iter(self.noise.fractions(4096))
            return next(self.shares)

    def below(self, count):
        return min(int(self.share() * count), count - 1)

    def order(self, count):
        order = list(range(count))
        for last in reversed(range(1, count)):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def coins(self, count):
        return [int(self.share() < 0.5) for _ in range(count)]


def segments(height, width):
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    grid = (2 * y + 1) * 4 // (2 * height) * 4 + (2 * x + 1) * 4 // (2 * width)
    own = 3 * (((y + 2) // 3 + 2 * (x // 4)) % 7) + 2
    return {name: np.unique(labels, return_inverse=True)[1].reshape(height, width) for name, labels in
            {"grid": grid, "own": own}.items()}


def coalitions(samples, count):
    """Which segments each of KernelSHAP's samples shows."""
    draws = Draws()
    weights = [1 / (k * (count - k)) for k in range(1, count)]
    shown = []
    while len(shown) < samples:
        left, size = draws.share() * sum(weights), 1
        for weight in weights:
            left -= weight
            if left < 0:
                break
            size += 1
        one = np.zeros(count, dtype=np.int64)
        one[draws.order(count)[: min(size, count - 1)]] = 1
        shown += [one, 1 - one]
    return shown[:samples]


def by_segment(values, labels):
    """The value of each segment of an attribution, [1, C, H, W], which is the same in all of it."""
    values = values[0, 0].detach().numpy()
    found = np.array([values[labels == label][0] for label in range(labels.max() + 1)])
    assert np.allclose(found[labels], values)
    return found


class Peers:
    def __init__(self, scored, photo, labels, baseline):
        self.scored, self.photo, self.labels, self.baseline = scored, photo, labels, baseline
        self.count = labels.max() + 1
        self.mask = torch.from_numpy(labels)[None, None]

    def all(self):
        return {
            "feature_ablation": self.feature_ablation(),
            "shapley_values": self.shapley_values(),
            "kernel_shap": self.kernel_shap(),
            "lime": self.lime(),
        }

    def attribute(self, method, **options):
        # captum rounds what it found to single precision.
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double), default_double():
            return method.attribute(self.photo, baselines=self.baseline, feature_mask=self.mask, **options)

    def feature_ablation(self):
        import captum.attr as captum

        return by_segment(self.attribute(captum.FeatureAblation(self.scored)), self.labels)

    def shapley_values(self):
        import captum.attr as captum

        method, draws = captum.ShapleyValueSampling(self.scored), Draws()
        method.permutation_generator = lambda count, n: (draws.order(count) for _ in range(n))
        return by_segment(self.attribute(method, n_samples=PERMUTATIONS), self.labels)

    def kernel_shap(self):
        import captum.attr as captum

        def perturbations(_, **options):
            yield torch.ones(1, self.count, dtype=torch.long)
            yield torch.zeros(1, self.count, dtype=torch.long)
            for shown in coalitions(SAMPLES, self.count):
                yield torch.from_numpy(shown)[None]

        method = captum.KernelShap(self.scored)
        method.perturb_func = perturbations
        return by_segment(self.attribute(method, n_samples=SAMPLES + 2), self.labels)

    def lime(self):
        import captum.attr as captum
        from captum._utils.models.linear_model import SkLearnRidge
        from lime.lime_image import LimeImageExplainer

        draws = Draws()
        rows = [np.ones(self.count, dtype=int)] + [np.array(draws.coins(self.count)) for _ in range(SAMPLES - 1)]

        class Given(np.random.RandomState):
            def randint(self, low, high=None, size=None):
                return np.concatenate(rows) if size == len(rows) * len(rows[0]) else super().randint(low, high, size)

        def scores(images):
            with torch.no_grad():
                return self.scored(torch.from_numpy(images).permute(0, 3, 1, 2))[:, None].numpy()

        image = self.photo[0].permute(1, 2, 0).numpy()
        found = LimeImageExplainer(random_state=Given(0)).explain_instance(
            image,
            scores,
            labels=(0,),
            top_labels=None,
            hide_color=self.baseline,
            num_samples=SAMPLES,
            segmentation_fn=lambda _: self.labels,
        )
        weights = np.zeros(self.count)
        for segment, weight in found.local_exp[0]:
            weights[segment] = weight

        def perturbations(_, **options):
            for row in rows:
                yield torch.from_numpy(row)[None]

        def near(_, __, shown, **options):
            return math.exp(-((1 - math.sqrt(shown.double().mean())) ** 2) / (2 * 0.25**2))

        ridge = SkLearnRidge(alpha=1.0)
        method = captum.Lime(self.scored, ridge, near, perturbations)
        theirs = by_segment(self.attribute(method, n_samples=SAMPLES), self.labels)
        assert abs(theirs - weights).max() < 1e-6 * abs(weights).max()
        return weights


class default_double:
    def __enter__(self):
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_):
        torch.set_default_dtype(torch.float32)


def cases():
    """The networks with a photo, and of each what is explained."""
    from make_methods import CASES, Scored, targets

    for name, case in CASES.items():
        net = with_formula_weights(case.net()).double().eval()
        photo = case.photos(1, torch.float64)
        known = targets(case, net, photo)
        chosen = ["pixel", "box"] if case.maps else [str(case.classes[0]), "log_softmax"]
        yield name, case, photo, {target: Scored(net, [known[target]]) for target in chosen}


def methods():
    from safetensors.torch import save_file

    for name, case, photo, targets in cases():
        found = {}
        for target, scored in targets.items():
            for map, labels in segments(*case.size).items():
                peers = Peers(scored, photo, labels, BASELINES[map]).all()
                for method, values in peers.items():
                    assert np.isfinite(values).all() and abs(values).max() > 0
                    found[f"{method}/{target}/{map}"] = torch.tensor(values, dtype=torch.float32)
        path = FOLDER / f"{name}.safetensors"
        save_file(found, path)
        path.chmod(0o644)
        print(f"{path.name}: {len(found)} tensors, {path.stat().st_size:,} bytes")


SLIC = [
    {"picture": "assets/photos/cat.png", "count": 50},
    {"picture": "assets/photos/cat.png", "count": 200, "compactness": 1, "sigma": 1.5},
    {"picture": "tests/reference/preprocess/dog_crop.png", "count": 50},
    {"picture": "tests/reference/preprocess/dog_crop.png", "count": 120, "compactness": 30, "rounds": 3},
    {"picture": "tests/reference/preprocess/cat_and_dog_crop.png", "count": 7, "sigma": 4},
    {"picture": "tests/reference/photos/rgb.png", "count": 20, "compactness": 0.1},
    {"picture": "tests/reference/photos/grey.png", "count": 20},
    {"picture": "tests/reference/photos/rgb.png", "count": 100_000},
]


def slic():
    from PIL import Image
    from skimage.segmentation import slic

    (FOLDER / "slic").mkdir(exist_ok=True)
    rows = []
    for number, row in enumerate(SLIC):
        row = {"compactness": 10, "sigma": 0, "rounds": 10} | row
        picture = np.array(Image.open(HERE.parent.parent / row["picture"]).convert("RGB"))
        labels = slic(
            picture,
            n_segments=row["count"],
            compactness=row["compactness"],
            sigma=row["sigma"],
            max_num_iter=row["rounds"],
        )
        assert labels.min() == 1
        # Two levels of 256 where there are many.
        labels = (labels - 1).astype(np.uint16)
        levels = np.stack([labels % 256, labels // 256, 0 * labels], axis=-1).astype(np.uint8)
        Image.fromarray(levels).save(FOLDER / "slic" / f"{number}.png", optimize=True)
        rows.append(row | {"found": int(labels.max()) + 1})
        print(rows[-1])
    text = ",\n".join(f" {json.dumps(row)}" for row in rows)
    (FOLDER / "slic" / "index.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    slic()
    methods()
