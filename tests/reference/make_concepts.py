"""Make tests/reference/concepts/NETWORK.safetensors: concepts as pytorch-grad-cam and captum find them.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_concepts.py

Networks are those of method_networks.py, weights and photos those of formula.py; index.json says for each network its layer
and between which values the photos lie. Everything is computed in double precision and stored as float32.

Deep feature factorisation of the layer, by pytorch-grad-cam's `dff` with scikit-learn's NMF, which here starts from NNDSVDa by
the whole singular value decomposition in the place of a random sample of it:

dff/PHOTOS/concepts          [K, C], the vectors of K concepts of the photos 0 to PHOTOS - 1
dff/PHOTOS/maps              [PHOTOS, K, h, w]
dff/PHOTOS/classes           [K, 6], the softmax of what the rest of the network makes of maps that are everywhere what the layer has where
                             each concept is strongest: the least value of each channel, and the rest of the vector times the
                             map's greatest value

TCAV at the layer, by captum's TCAV with scikit-learn's LogisticRegression as its classifier. The concept `waves` is photos 0 to 7,
`steep` photos whose columns are their rows (8 to 15, transposed and resized by repeating); `random/R`, R from 0 to 3, are
photos 20 + 8 R to 27 + 8 R with noise of formula_values(…, R); what is explained are the photos 60 to 71:

tcav/CONCEPT/R/cav           the direction of one concept against one random set, of length 1
tcav/CONCEPT/R               [2], captum's sign_count and magnitude of that concept, the latter for a direction of length 1
tcav/CONCEPT/R/accuracy      scikit-learn's cross_val_predict, every third photo held out in turn
tcav/CONCEPT/test            [2], scipy's ttest_ind (Welch's) of the sign counts for the concept against those for the random sets,
                             each of which is a concept against the next: t and p
"""

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.stats
import sklearn.decomposition._nmf as nmf
import torch
from captum.concept import TCAV, Classifier, Concept
from formula import formula_photo, formula_values, with_formula_weights
from method_networks import Branches, Residual
from pytorch_grad_cam.feature_factorization import deep_feature_factorization as dff
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from torch import nn

FOLDER = Path(__file__).resolve().parent / "concepts"
CASES = {
    "residual": dict(net=Residual, size=(32, 32), low=-2, high=2, layer="block1", concepts=3),
    "branches": dict(net=Branches, size=(28, 36), low=-5, high=7, layer="pool2", concepts=3),
}
RANDOM, EACH = 4, 8


def whole_svd(x, components, **_):
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return u[:, :components], s[:components], v[:components]


class Nmf(nmf.NMF):
    def __init__(self, n_components, init, random_state):
        super().__init__(n_components=n_components, init="nndsvda")

    def fit_transform(self, x):
        found = super().fit_transform(x)
        assert self.n_iter_ < self.max_iter
        print("   passes", self.n_iter_)
        return found


def halves(net, layer):
    """All modules of these networks run one after the other."""
    cut = [name for name, _ in net.named_children()].index(layer) + 1
    modules = list(net.children())
    return nn.Sequential(*modules[:cut]).eval(), nn.Sequential(*modules[cut:]).eval()


def factorisation(net, case, photos):
    layer = net.get_submodule(case["layer"])
    with mock.patch.object(nmf, "_randomized_svd", whole_svd), mock.patch.object(dff, "NMF", Nmf):
        method = dff.DeepFeatureFactorization(net, layer)
        with torch.no_grad():
            method.activations_and_grads(photos)
            activation = method.activations_and_grads.activations[0].numpy()
        concepts, maps = dff.dff(activation, case["concepts"])
    method.activations_and_grads.release()
    with torch.no_grad():
        least = activation.min(axis=(0, 2, 3))
        strongest = least + (concepts.T - least) * maps.max(axis=(0, 2, 3))[:, None]
        everywhere = torch.from_numpy(strongest)[:, :, None, None].expand(-1, -1, *activation.shape[2:])
        classes = torch.softmax(halves(net, case["layer"])[1](everywhere), -1)
    key = f"dff/{len(photos)}"
    return {f"{key}/concepts": concepts.T, f"{key}/maps": maps, f"{key}/classes": classes.numpy()}


class Linear(Classifier):
    """captum gives one photo after the other, all of a concept first."""

    def __init__(self):
        self.lm = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)

    def train_and_eval(self, dataloader, **_):
        inputs, labels = zip(*dataloader)
        x, y = torch.cat(inputs).double().numpy(), torch.cat(labels).numpy()
        # captum keeps the number of a concept, and the smaller is the concept here.
        self.lm.fit(x, y)
        place = np.concatenate([np.arange((y == c).sum()) for c in np.unique(y)])
        held = cross_val_predict(self.lm, x, y, cv=PredefinedSplit(place % 3))
        self.coefficients = self.lm.coef_[0] / np.linalg.norm(self.lm.coef_[0])
        return {"accs": (held == y).mean()}

    def weights(self):
        w = torch.from_numpy(self.coefficients)
        return torch.stack([-w, w])

    def classes(self):
        return list(self.lm.classes_)


def noisy(photo, seed):
    noise = formula_values(photo.numel(), 100 + seed).reshape(photo.shape)
    return photo + torch.from_numpy(noise) * (photo.max() - photo.min()) / 2


def sets(case):
    (h, w), range_ = case["size"], (case["low"], case["high"])
    photo = lambda n: formula_photo(h, w, n, *range_).double()
    turned = lambda n: formula_photo(w, h, n, *range_).double().transpose(2, 3)
    found = {"waves": [photo(n) for n in range(EACH)], "steep": [turned(EACH + n) for n in range(EACH)]}
    for r in range(RANDOM):
        found[f"random/{r}"] = [noisy(photo(20 + EACH * r + n), EACH * r + n) for n in range(EACH)]
    explained = torch.cat([photo(60 + n) for n in range(12)])
    return found, explained


def concepts(net, case, c):
    found = {}
    photos, explained = sets(case)
    folder = tempfile.mkdtemp()
    made = {name: Concept(i, name, [photo for photo in of]) for i, (name, of) in enumerate(photos.items())}
    pairs = [(name, f"random/{r}") for name in ("waves", "steep") for r in range(RANDOM)]
    pairs += [(f"random/{r}", f"random/{(r + 1) % RANDOM}") for r in range(RANDOM)]
    for name, other in pairs:
        tcav = TCAV(net, case["layer"], classifier=Linear(), save_path=folder, model_id=f"{name}-{other}".replace("/", "_"))
        a, b = made[name], made[other]
        scores = tcav.interpret(explained, [[a, b]], target=c)
        (of_layer,) = scores.values()
        values = of_layer[case["layer"]]
        stats = tcav.cavs[f"{a.id}-{b.id}"][case["layer"]].stats
        place = list(stats["classes"]).index(a.id)
        key = f"tcav/{name}/{other.split('/')[1]}" if "random" not in name else f"tcav/{name}"
        found[key] = [float(values["sign_count"][0]), float(values["magnitude"][0])]
        if name == "waves" and other == "random/0":
            found[f"{key}/cav"] = stats["weights"][place].numpy()
        found[f"{key}/accuracy"] = float(stats["accs"])
        print("  ", key, found[key], found[f"{key}/accuracy"])
    shutil.rmtree(folder)
    at_random = [found[f"tcav/random/{r}"][0] for r in range(RANDOM)]
    for name in ("waves", "steep"):
        of = [found[f"tcav/{name}/{r}"][0] for r in range(RANDOM)]
        test = scipy.stats.ttest_ind(of, at_random, equal_var=False)
        found[f"tcav/{name}/test"] = [test.statistic, test.pvalue]
        print("  ", name, of, at_random, test)
    return found


def main():
    warnings.filterwarnings("ignore")
    FOLDER.mkdir(exist_ok=True)
    index = {}
    for name, case in CASES.items():
        net = with_formula_weights(case["net"]()).double().eval()
        photo = lambda n: formula_photo(*case["size"], n, case["low"], case["high"]).double()
        found = {}
        for count in (1, 3):
            found |= factorisation(net, case, torch.cat([photo(n) for n in range(count)]))
        with torch.no_grad():
            c = int(net(photo(0)).argmax())
        found |= concepts(net, case, c)
        tensors = {}
        for key, value in found.items():
            value = torch.as_tensor(np.asarray(value, dtype=np.float32)).contiguous()
            assert value.isfinite().all(), key
            tensors[key] = value.reshape(-1) if value.dim() == 0 else value
        path = FOLDER / f"{name}.safetensors"
        save_file(tensors, path)
        path.chmod(0o644)
        print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size:,} bytes\n")
        row = {"input": [3, *case["size"]], "low": case["low"], "high": case["high"], "class": c}
        index[name] = row | {key: case[key] for key in ("layer", "concepts")}
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in index.items())
    (FOLDER / "index.json").write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
