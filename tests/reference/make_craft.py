"""Make tests/reference/concepts/NETWORK_craft.safetensors: concepts as xplique's CRAFT finds them.

    pip install xplique==2.0.2 tensorflow==2.20.0
    pip install torch==2.13.0 numpy==2.4.6 ...      # of requirements.txt, what formula.py and method_networks.py import
    python tests/reference/make_craft.py

It needs an environment of its own, as make_xplique.py. Networks, layers and photos are those of make_concepts.py, photos 0 to 4;
everything is in double precision but xplique's estimator. scikit-learn's NMF starts from the whole singular value decomposition
in the place of a random sample of it, and photos are explained for the class of index.json.

craft/bank           [K, C], the concepts
craft/amounts        [crops, K], of crops of 12 pixels
craft/importances    [K], total Sobol indices, the mean over the photos
craft/photo          [K, h, w], the concepts on photo 5
craft/local          [K], the indices of photo 5 alone
"""

import json
import os
import sys
from unittest import mock

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["triton"] = None

import numpy as np
import sklearn.decomposition._nmf as nmf
import torch
from formula import formula_photo, with_formula_weights
from make_xplique import FOLDER as PERTURBATION
from method_networks import Branches, Residual
from safetensors.torch import save_file
from torch import nn
from xplique.concepts import CraftTorch

FOLDER = PERTURBATION.parent / "concepts"
NETWORKS = {"residual": Residual, "branches": Branches}
PHOTOS, CROP, CONCEPTS = 5, 12, 3


def whole_svd(x, components, **_):
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return u[:, :components], s[:components], v[:components]


def halves(net, layer):
    """All modules of these networks run one after the other."""
    names = [name for name, _ in net.named_children()]
    cut = names.index(layer) + 1
    modules = list(net.children())
    return nn.Sequential(*modules[:cut]).eval(), nn.Sequential(*modules[cut:]).eval()


def main():
    index = json.loads((FOLDER / "index.json").read_text())
    for name, network in NETWORKS.items():
        case = index[name]
        net = with_formula_weights(network()).double().eval()
        photo = lambda n: formula_photo(*case["input"][1:], n, case["low"], case["high"]).double()
        first, second = halves(net, case["layer"])
        craft = CraftTorch(first, second, CONCEPTS, batch_size=16, patch_size=CROP, device="cpu")
        with mock.patch.object(nmf, "_randomized_svd", whole_svd):
            craft.fit(torch.cat([photo(n) for n in range(PHOTOS)]), class_id=case["class"])
        found = {
            "craft/bank": craft.factorization.concept_bank_w,
            "craft/amounts": craft.factorization.crops_u,
            "craft/importances": craft.estimate_importance(),
            "craft/photo": craft.transform(photo(PHOTOS))[0].transpose(2, 0, 1),
            "craft/local": craft.estimate_importance(photo(PHOTOS)),
        }
        print(name, "passes", craft.factorization.reducer.n_iter_, found["craft/importances"], found["craft/local"])
        tensors = {key: torch.as_tensor(np.ascontiguousarray(value, dtype=np.float32)) for key, value in found.items()}
        path = FOLDER / f"{name}_craft.safetensors"
        save_file(tensors, path)
        path.chmod(0o644)
        print(f"{path.name}: {[tuple(t.shape) for t in tensors.values()]}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
