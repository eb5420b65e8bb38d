"""Make tests/reference/metrics/: every metric of src/metric as its peers compute it.

    pip install -r tests/reference/requirements.txt
    git clone https://github.com/aimagelab/ADCC && git -C ADCC checkout e52dadf733b405ab6a9eb13af3aedda3bf61407b
    ADCC=ADCC python tests/reference/make_metrics.py

Peers: T is torchcam, Q Quantus, G pytorch-grad-cam, C captum, A the code of ADCC's authors, at the versions above. Networks
are those of method_networks.py, weights and photos those of formula.py; index.json says for each network between which values
its photos lie, and which class is predicted for photo 0. Everything is computed in double precision and stored as float32.

Maps are given ones of the photo's size (`map/NAME`, [H, W]), so that no metric depends on how a method was computed:

    waves     positive, all values different
    signed    of both signs; what has its ReLU has many zeros
    spots     a few places, far from each other
    rest      all but these

Keys are paths; a value is a single number unless a shape is given.

AREA/NAME/SUBSTRATE          AREA deletion and insertion: T's DeletionInsertionMetric of relu(map), 20 steps. SUBSTRATE is `zero`,
                             `one` (the value 1), or `blur`, RISE's, github.com/eclique/RISE
AREA/NAME/SUBSTRATE/curve    [21], the scores
average_drop/NAME            T's ClassificationMetric, with relu(map) by its greatest as the cam
increase/NAME                the same
drop/NAME                    G's DropInConfidence: not divided
adcc/LAYER                   A's, of G's Grad-CAM
coherency/LAYER, complexity/LAYER    G's
road/NAME/most, least, both  G's ROADMostRelevantFirstAverage, ROADLeastRelevantFirstAverage and ROADCombined at percentiles
                             30, 50 and 90, of probabilities, with the noise of noise.py
infidelity/NAME, infidelity/NAME/plain       C's with normalize=True, and False, of `channels/NAME`, [3, H, W], 8 samples,
                             deviation 0.1, with the noise of noise.py
sensitivity/saliency, sensitivity/LAYER      C's sensitivity_max of the greatest magnitude among the channels of the gradient, and
                             of LayerGradCam; 4 samples of radius 0.02 from noise.py's uniform numbers
pointing_game/NAME/REGION, energy/NAME/REGION        Q's PointingGame and, of relu(map), RelevanceMassAccuracy. REGION is `left`, the
                             left half of the photo, or `box`, rows 5 to 14 and columns 10 to 19
sparseness/NAME, complexity/NAME     Q's Sparseness and Complexity
randomised/ORDER/METHOD      [layers], Q's MPRT: Spearman's correlations after each layer. ORDER is cascading or independent, METHOD
                             `saliency` (as above) or `grad_cam`, C's LayerGradCam at LAYER, its ReLU, resized with half-pixel
                             centres. The parameters of each layer are drawn by noise.py from a seed of the layer's number among
                             those that have any, as src/model/op/init.rs draws them
randomised/ORDER/METHOD/ssim [layers], Q's ssim of the same maps
alike/NAME/NAME/rank, ssim   Q's correlation_spearman and ssim of the magnitudes of two maps
"""

import contextlib
import json
import os
import sys
import warnings
from functools import partial
from pathlib import Path
from unittest import mock

import captum.attr
import captum.metrics
import numpy as np
import pytorch_grad_cam as gradcam
import quantus
import torch
from formula import formula_photo, formula_values, with_formula_weights
from method_networks import Branches, Residual
from noise import Noise
from pytorch_grad_cam.metrics import road
from pytorch_grad_cam.metrics.arcc import Coherency
from pytorch_grad_cam.metrics.arcc import Complexity as Mean
from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget, ClassifierOutputTarget
from quantus.functions import similarity_func
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

sys.path.append(os.environ["ADCC"])
from metrics.adcc import ADCC  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "metrics"
CASES = {
    "residual": dict(net=Residual, size=(32, 32), low=-2, high=2, layer="block2"),
    "branches": dict(net=Branches, size=(28, 36), low=-5, high=7, layer="relu3"),
}
PERCENTILES = [30, 50, 90]


def given_maps(height, width):
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    wave = np.sin(0.31 * x + 0.17 * y) * np.cos(0.11 * x - 0.23 * y + 1)
    odd = formula_values(height * width, 1).reshape(height, width)
    maps = {
        "waves": 1.5 + wave + 0.05 * odd,
        "signed": wave - 0.2 + 0.05 * odd,
        "spots": np.exp(4 * (np.cos(0.5 * x + 1) + np.cos(0.4 * y + 2)) - 8),
    }
    maps["rest"] = 1 - maps["spots"]
    maps = {name: map.astype(np.float32) for name, map in maps.items()}
    assert len(np.unique(maps["waves"])) == height * width
    return maps


class Given:
    """What torchcam takes for a method: it returns this map."""

    def __init__(self, net, cam):
        self.model, self.cam = net, torch.from_numpy(cam)[None]

    def __call__(self, *args, **kwargs):
        return [self.cam]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def rise_blur(photos):
    delta = np.zeros((11, 11))
    delta[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(delta, 5))
    kernels = torch.zeros(3, 3, 11, 11, dtype=photos.dtype)
    for c in range(3):
        kernels[c, c] = kernel
    return F.conv2d(photos, kernels, padding=5)


softmax = partial(torch.softmax, dim=-1)
SUBSTRATES = {"zero": None, "one": torch.tensor(1.0), "blur": rise_blur}


def pixels(net, photo, name, map):
    found = {}
    for substrate, baseline in SUBSTRATES.items():
        cam = np.maximum(map, 0)
        metric = DeletionInsertionMetric(Given(net, cam), softmax, steps=20, baseline=baseline)
        curves = {}
        compute = metric._compute_curves

        def kept(*args):
            found = compute(*args)
            curves.update(deletion=found[1][0], insertion=found[2][0])
            return found

        metric._compute_curves = kept
        metric.update(photo)
        areas = metric.summary()
        for area in ("deletion", "insertion"):
            found[f"{area}/{name}/{substrate}"] = areas[f"{area}_auc"]
            found[f"{area}/{name}/{substrate}/curve"] = curves[area]
    return found


def masked(net, photo, name, map, c):
    cam = np.maximum(map.astype(np.float64), 0)
    metric = ClassificationMetric(Given(net, cam / cam.max()), softmax)
    # src/picture/maps.rs scales from the least value on, as pytorch-grad-cam does.
    cam = (cam - cam.min()) / (1e-7 + (cam - cam.min()).max())
    metric.cam_extractor = Given(net, cam)
    metric.update(photo)
    both = metric.summary()
    drop = DropInConfidence()(photo, cam[None], [ClassifierOutputSoftmaxTarget(c)], net)
    return {
        f"average_drop/{name}": both["avg_drop"],
        f"increase/{name}": both["conf_increase"],
        f"drop/{name}": drop[0],
    }


def adcc(net, photo, layer, c):
    target = [ClassifierOutputTarget(c)]
    method = gradcam.GradCAM(net, [net.get_submodule(layer)])

    def maps(image, model=None, classidx=c):
        assert classidx == c
        return torch.from_numpy(np.float64(method(image, targets=target)))[None]

    map = maps(photo)
    return {
        f"adcc/{layer}": ADCC(photo, map, photo * map, net, maps, target_class_idx=c),
        f"coherency/{layer}": Coherency()(photo, map[0].numpy(), target, net, method)[0],
        f"mean/{layer}": Mean()(map[0].numpy())[0],
    }


def roads(net, photo, name, map, c):
    target = [ClassifierOutputSoftmaxTarget(c)]
    found = {}
    for key, metric in {
        "most": road.ROADMostRelevantFirstAverage,
        "least": road.ROADLeastRelevantFirstAverage,
        "both": road.ROADCombined,
    }.items():
        noise = Noise()

        def normal(values):
            return torch.from_numpy(np.float64(noise.normal(values.shape)))

        cam = (map - map.min()) / (map - map.min()).max()
        with mock.patch("torch.randn_like", normal):
            found[f"road/{name}/{key}"] = metric(PERCENTILES)(photo, cam[None].astype(np.float64), target, net)[0]
    return found


def infidelities(net, photo, c):
    found = {}
    size = photo.shape[1:]
    phi = formula_values(int(np.prod(size)), 7).reshape(size)
    found["channels/odd"] = torch.from_numpy(np.float32(phi))
    gradient = captum.attr.Saliency(net).attribute(photo, target=c, abs=False)[0].detach()
    found["channels/gradient"] = gradient.float()
    for name in ("odd", "gradient"):
        phi = found[f"channels/{name}"].double()[None]
        for normalize in (True, False):
            noise = Noise()

            def perturb(photos):
                draws = [noise.normal(photos.shape[1:]) for _ in photos]
                change = torch.from_numpy(np.float64(np.float32(0.1) * np.stack(draws)))
                return change, photos - change

            value = captum.metrics.infidelity(
                net, perturb, photo, phi, target=c, n_perturb_samples=8, normalize=normalize
            )
            found[f"infidelity/{name}" + ("" if normalize else "/plain")] = value[0]
    return found


def uniform(noise, shape, bound):
    """As rand's inclusive range of float32 draws it."""
    bits = noise.words(int(np.prod(shape))) >> np.uint32(9) | np.uint32(0x3F800000)
    low, high = np.float32(-bound), np.float32(bound)
    scale = (high - low) / (np.float32(1) - np.float32(2.0**-23))
    values = (bits.view(np.float32) - np.float32(1)) * scale + low
    return torch.from_numpy(values.reshape(shape))


def saliency(net, photos, c):
    return captum.attr.Saliency(net).attribute(photos, target=c, abs=True).amax(dim=1, keepdim=True).detach()


def layer_grad_cam(net, photos, c, layer):
    return captum.attr.LayerGradCam(net, net.get_submodule(layer)).attribute(photos, target=c).detach()


def sensitivities(net, photo, layer, c):
    found = {}
    for key, explain in {"saliency": saliency, layer: partial(layer_grad_cam, layer=layer)}.items():
        noise = Noise()

        def perturb(photos, radius):
            draws = [uniform(noise, photos.shape[1:], radius) for _ in photos]
            return photos + torch.stack(draws).double()

        def explained(photos):
            photos = photos[0] if isinstance(photos, tuple) else photos
            with torch.enable_grad():
                # Of a tensor that is in no tuple, captum subtracts each sample from all.
                return (explain(net, photos.requires_grad_(), c),)

        value = captum.metrics.sensitivity_max(explained, photo.clone(), perturb, n_perturb_samples=4)
        found[f"sensitivity/{key}"] = value[0]
    return found


def regions(height, width):
    left, box = np.zeros((2, height, width))
    left[:, : width // 2] = 1
    box[5:15, 10:20] = 1
    return {"left": left, "box": box}


QUIET = dict(disable_warnings=True, display_progressbar=False)


def of_maps(net, photo, name, map, c):
    x, y = photo.numpy(), np.array([c])
    ask = lambda metric, map, **more: metric(model=net, x_batch=x, y_batch=y, a_batch=map[None, None].copy(), **more)[0]
    map = map.astype(np.float64)
    positive = np.maximum(map, 0)
    found = {
        f"sparseness/{name}": ask(quantus.Sparseness(**QUIET), positive),
        f"complexity/{name}": ask(quantus.Complexity(**QUIET), positive),
    }
    for region, inside in regions(*map.shape).items():
        inside = inside[None, None]
        found[f"pointing_game/{name}/{region}"] = ask(quantus.PointingGame(**QUIET), map, s_batch=inside)
        mass = quantus.RelevanceMassAccuracy(**QUIET)
        found[f"energy/{name}/{region}"] = ask(mass, positive, s_batch=inside)
    return found


def drawn(module, seed):
    """As a layer here starts, by src/model/op/init.rs."""

    def reset():
        noise = Noise(seed)
        with torch.no_grad():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                for values, start in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
                    getattr(module, values).fill_(start)
                return
            fan_in = module.weight[0].numel()
            gain = 6 if isinstance(module, torch.nn.Conv2d) else 1
            module.weight.copy_(uniform(noise, module.weight.shape, np.sqrt(gain / fan_in)))
            if module.bias is not None:
                module.bias.copy_(uniform(noise, module.bias.shape, np.sqrt(1 / fan_in)))

    return reset


def randomised(net, photo, layer, c):
    found = {}
    height, width = photo.shape[2:]

    def explain(model, inputs, targets, method, kept, **kwargs):
        # A copy of a module has the drawing of the module that it was copied from.
        with torch.enable_grad():
            photos = torch.as_tensor(inputs).double().requires_grad_()
            map = saliency(model, photos, c) if method == "saliency" else layer_grad_cam(model, photos, c, layer)
        map = F.interpolate(map.relu(), (height, width), mode="bilinear").numpy()
        kept.append(map[0, 0])
        return map

    layers = [module for module in net.modules() if hasattr(module, "reset_parameters")]
    copied = {name: number for number, (name, module) in enumerate(
        (name, module) for name, module in net.named_modules() if hasattr(module, "reset_parameters")
    )}
    original = quantus.helpers.model.pytorch_model.deepcopy

    def copy(model):
        made = original(model)
        for name, number in copied.items():
            module = made.get_submodule(name)
            module.reset_parameters = drawn(module, number)
        return made

    assert len(copied) == len(layers)
    for key, order in {"cascading": "top_down", "independent": "independent"}.items():
        for method in ("saliency", "grad_cam"):
            kept = []
            metric = quantus.MPRT(layer_order=order, **QUIET)
            ask = dict(model=net, x_batch=photo.numpy(), y_batch=np.array([c]), explain_func=explain)
            with mock.patch("quantus.helpers.model.pytorch_model.deepcopy", copy):
                scores = metric(**ask, explain_func_kwargs=dict(method=method, kept=kept))
            scores = {name: score[0] for name, score in scores.items() if name != "original"}
            assert list(scores) == list(copied)[::-1] or order == "independent", list(scores)
            values = [scores[name] for name in list(copied)[::-1]]
            found[f"randomised/{key}/{method}"] = torch.tensor(values)
            # The trained network's map is made twice.
            maps = kept[2:] if order == "top_down" else kept[2:][::-1]
            assert len(maps) == len(copied)
            size = lambda map: np.abs(map) / np.abs(map).max() if np.abs(map).max() > 0 else map
            ssim = [similarity_func.ssim(size(kept[0]), size(map)) for map in maps]
            found[f"randomised/{key}/{method}/ssim"] = torch.tensor(ssim)
    return found


def alike(maps):
    found = {}
    names = list(maps)
    for one, other in zip(names, names[1:] + names[:1]):
        a, b = (np.abs(maps[name].astype(np.float64)) for name in (one, other))
        a, b = a / a.max(), b / b.max()
        found[f"alike/{one}/{other}/rank"] = similarity_func.correlation_spearman(a.ravel(), b.ravel())
        found[f"alike/{one}/{other}/ssim"] = similarity_func.ssim(a, b)
    return found


def main():
    warnings.filterwarnings("ignore")
    np.trapz = np.trapezoid
    FOLDER.mkdir(exist_ok=True)
    index = {}
    for name, case in CASES.items():
        net = with_formula_weights(case["net"]()).double().eval()
        photo = formula_photo(*case["size"], 0, case["low"], case["high"]).double()
        layer = case["layer"]
        with torch.no_grad():
            probabilities = softmax(net(photo))[0]
        c = int(probabilities.argmax())
        print(name, "class", c, "of", [f"{p:.3f}" for p in probabilities])
        maps = given_maps(*case["size"])
        found = {f"map/{key}": map for key, map in maps.items()}
        for key, map in maps.items():
            found |= pixels(net, photo, key, map) | masked(net, photo, key, map, c) | of_maps(net, photo, key, map, c)
        found |= roads(net, photo, "waves", maps["waves"], c)
        found |= adcc(net, photo, layer, c) | infidelities(net, photo, c) | sensitivities(net, photo, layer, c)
        found |= randomised(net, photo, layer, c) | alike(maps)
        tensors = {key: torch.as_tensor(np.asarray(value, dtype=np.float32)) for key, value in found.items()}
        for key, value in tensors.items():
            assert value.isfinite().all(), f"{key}: {value}"
            if value.numel() < 12:
                print("  ", key, [f"{v:.5g}" for v in value.flatten().tolist()])
        path = FOLDER / f"{name}.safetensors"
        save_file({key: value.contiguous().reshape(-1) if value.dim() == 0 else value.contiguous() for key, value in tensors.items()}, path)
        path.chmod(0o644)
        print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size:,} bytes\n")
        index[name] = {"input": [3, *case["size"]], "low": case["low"], "high": case["high"], "class": c, "layer": layer}
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in index.items())
    (FOLDER / "index.json").write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
