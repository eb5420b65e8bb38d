"""Make tests/reference/methods/: every explanation of src/attribution as its peers compute it.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_methods.py

Peers: G is pytorch-grad-cam, C captum, T torchcam, P PAIR's saliency, at the versions of requirements.txt. Networks are
those of method_networks.py, weights and photos those of formula.py; index.json says for each network
between which values its photos lie, and which layers, classes, targets and windows there are.

Every peer runs in double precision, and its values are rounded to float32. The script runs all of it
in single precision too and asserts that nothing moves by more than 5e-6 of the greatest value: a
test may ask for 1e-5 and judges the method, not rounding. No rectifier's input is near its corners,
and no pooling window has two greatest values that are nearly one (`margins`).

Keys are paths. LAYER is a name in the network, TARGET one of index.json's, and [..] a shape.

One photo, number 0; the same behind `batch/` for photos 0 and 1 in one pass, with index.json's
`batch` as their classes, one each, and all shapes with a leading 2:

logits                                   [classes], or [classes, h, w] thinned
activation/LAYER/stats                   mean, population standard deviation, largest value
activation/LAYER/samples                 every s-th value of the flat activation, s = (count / 64) | 1

METHOD/LAYER/TARGET                      [h, w], the layer's own size, signed: what G has before its
                                         ReLU and scaling. METHOD:
    cam                  T   sum_k w_ck A_k, at the layer before the global pooling, classes only;
                             Grad-CAM there is the same divided by h w
    grad_cam             G   sum_k mean(g_k) A_k; C's LayerGradCam is the same, T's its ReLU
    grad_cam_plus_plus   G   a = g^2 / (2 g^2 + sum(A) g^3 + 1e-6), w_k = sum(a relu(g)). At layers
                             after a rectifier only: elsewhere sum A is of any sign, and the divisor
                             may be near zero. Not T's, which divides a copy since 2021: its w_k
                             is sum(g^2 relu(g))
    hi_res_cam           G   sum_k g_k A_k
    element_wise         G   sum_k relu(g_k A_k)
    x_grad_cam           G   w_k = sum(g A) / (sum A + 1e-7); T's ReLU of it (with 1e-8) is the same.
                             After a rectifier only, for the same reason
    layer_cam            G   sum_k relu(g_k) A_k; T's is its ReLU
    score_cam            G   maps resized with aligned corners, each scaled to [0, 1], times the photo;
                             softmax of the scores over the channels are the weights. T scales first
                             and resizes with half-pixel centres: the same where nothing is resized
    ablation_cam         G   w_k = (y - y_k) / y with channel k at zero, y the score, whatever its
                             sign: one TARGET of each classifier has a negative one. After a
                             rectifier only: where the layer's smallest value is not 0, G writes
                             min - 1e7 into the channel, and not the paper's zero
    eigen_grad_cam       G   first principal component of g A over pixels, centred
    seg_eigen_cam        G   first principal component of |g| A over pixels, centred, with its own rule
                             for the sign
    shapley_cam          G   w_k = mean(g_k - (H A)_k / 2), H the second derivatives of the score. H is 0
                             for classes behind rectifiers: log_softmax and squares have others
    finer_cam            G   grad_cam of sum p_j (y - y_j) / (sum p_j + 1e-9), j the three classes whose
                             scores are nearest to y, p their probabilities. Classes only
    smooth_grad_cam_plus_plus    T   a = D2 / (2 D2 + sum(A) D3 + 1e-8), w_k = sum(a relu(D1)), D1 to D3
                             the means of g, g^2 and g^3 over 3 photos with the noise of noise.py, 0.15
                             (max - min). T has sum(A D3), for D1 the last g, and multiplies w with
                             the last A: `smooth` says all three, and is T's own but for that. After a rectifier only
    ss_cam, is_cam       T   of 3 samples and steps, each; of ss_cam's noise of noise.py, deviation 2, all
                             channels have the same. After a rectifier only
eigen_cam/LAYER                          [h, w], G: first principal component of A over pixels, centred
kpca_cam/LAYER                           [h, w], G: the same by scikit-learn's KernelPCA, sigmoid
fem/LAYER                                [h, w], G: w_k = mean(A_k > mean(A_k) + 2 deviation(A_k))
METHOD/LAYER/TARGET/eigen                [h, w], G's eigen_smooth=True: first principal component of
                                         w_k A_k (layer_cam: of relu(g) A)

The sign of a principal component is an accident (G takes what LAPACK gives). Here it is such that the
map correlates positively over pixels with: the mean of A (eigen_cam, kpca_cam), the map without the
principal component (eigen), hi_res_cam's map (eigen_grad_cam).

Finished maps, thinned, at the photo's size: G's ReLU, (x - min) / (1e-7 + max), bilinear resize with
half-pixel centres, mean over layers, the same scaling again.

METHOD/LAYER/TARGET/final                one layer
METHOD/LAYER/TARGET/eigen/final          eigen_smooth=True
METHOD/LAYER/TARGET/augmented/final      aug_smooth=True: mean of the finished maps of the photo and
                                         its mirror image, each times 1, 0.9 and 1.1 (of the
                                         *prepared* input), mirrored back; not scaled again
METHOD/LAYER/TARGET/augmented_eigen/final        both
METHOD/LAYER+LAYER/TARGET/mean/final     layers fused by G
METHOD/LAYER+LAYER/TARGET/max/final      by T: ReLU, (x - min) / (1e-8 + max), resize to the photo's
                                         size, maximum; not scaled again. G's with a maximum
                                         instead of its mean is the same

METHOD/LAYER+LAYER/TARGET/product/final  by G's RefineCAM: finished maps, multiplied and scaled again

full_grad/TARGET                         [H, W] thinned, G's FullGrad before its last scaling: |x g| of
                                         the input and, of convolutions and batch norms, |bias g|, each
                                         channel scaled to [0, 1] and resized, all added up

Methods of the input, [3, H, W] thinned:

saliency/TARGET                          C's Saliency, abs=False: the signed gradient. abs=True is
                                         its absolute value
guided/TARGET, deconvolution/TARGET      C's GuidedBackprop (G's is the same) and Deconvolution. Both
                                         look for nn.ReLU and leave ReLU6 with its own gradient
guided_relu6/TARGET, deconvolution_relu6/TARGET      the same, C's hooks made to see ReLU6 as well:
                                         guided passes positive gradients where 0 < x < 6,
                                         deconvolution positive gradients everywhere. In `branches`
input_x_gradient/TARGET                  C
integrated_gradients/TARGET/gausslegendre      C's default, 50 steps from index.json's `baseline`. A
                                         network of rectifiers bends on the way: 50 steps miss
                                         completeness by up to 2 % here
integrated_gradients/TARGET/gausslegendre/delta      [2]: sum of the attributions - change, and change, which is the
                                         score of the photo - that of the baseline
blur_integrated_gradients/TARGET         P's BlurIG, 8 steps to a deviation of 10
expected_gradients/TARGET                C's GradientShap without its random numbers: 4 copies with the
                                         noise of noise.py, 0.1 (max - min), baselines photos 5 and 6 in
                                         turn, places from the generator of seed 1
smooth_grad/TARGET                       C's NoiseTunnel around Saliency(abs=False), 4 samples, with
                                         noise by formula: sample j adds 0.15 (max - min) sqrt(3) u,
                                         where u are the formula's values of parameter 100 + j
smooth_grad/TARGET/absolute              around Saliency(abs=True), C's default
smooth_grad/TARGET/squared               smoothgrad_sq around Saliency(abs=False)
smooth_grad/TARGET/variance              vargrad around Saliency(abs=False)
guided_grad_cam/LAYER/TARGET/nearest     C's GuidedGradCam: guided times ReLU(grad_cam), in that order
                         .../bilinear    resized: the ReLU comes before the resize. C's default is
                                         nearest; bilinear has half-pixel centres
guided_grad_cam_relu6/...                the same with guided_relu6, in `branches`
occlusion/TARGET/I                       [H, W] thinned: C's Occlusion of all channels with the I-th
                                         of index.json's `windows`; a pixel's value is the mean drop
                                         of the score over the windows that cover it. The last
                                         window of a row or column is cut off at the photo's border

Thinned: every 11th value of the flat tensor, from 0.

Targets, with a and b the classes of index.json; o is one photo's output:

    "1"            class 1: o[1]; for a network of maps, the sum over all its pixels
    sum            o[a] + o[b]
    difference     o[a] - o[b]
    log_softmax    log softmax(o)[a], over the classes
    squares        sum of o^2
    argmax         maps only: sum of o[b] over the pixels where class b is the greatest (G's
                   SemanticSegmentationTarget); their number is index.json's `argmax_pixels`
    box            maps only: sum of o[a] over rows 4..11 and columns 6..19
    pixel          maps only: o[b, 10, 20]
"""

import copy
import itertools
import json
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

os.environ["TQDM_DISABLE"] = "1"

import captum.attr as captum
import numpy as np
import pytorch_grad_cam as gradcam
import torch
from captum._utils.common import _register_backward_hook
from captum.attr._core.gradient_shap import InputBaselineXGradient
from formula import formula_photo, formula_values, with_formula_weights
from method_networks import Branches, Residual, Segmenter
from noise import Noise
from pytorch_grad_cam.refine_cam import RefineCAM
from pytorch_grad_cam.seg_eigen_cam import SegEigenCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, SemanticSegmentationTarget
from safetensors.torch import save_file
from saliency.core import INPUT_OUTPUT_GRADIENTS, BlurIG
from torch import nn
from torch.nn import functional as F
from torchcam import methods as torchcam

FOLDER = Path(__file__).resolve().parent / "methods"
THIN = 11

ANYWHERE = {
    "grad_cam": gradcam.GradCAM,
    "hi_res_cam": gradcam.HiResCAM,
    "element_wise": gradcam.GradCAMElementWise,
    "layer_cam": gradcam.LayerCAM,
    "eigen_grad_cam": gradcam.EigenGradCAM,
    "seg_eigen_cam": SegEigenCAM,
}
AFTER_RECTIFIER = {"grad_cam_plus_plus": gradcam.GradCAMPlusPlus, "x_grad_cam": gradcam.XGradCAM}
WEIGHED = {"score_cam": gradcam.ScoreCAM, "ablation_cam": gradcam.AblationCAM}
CLASSLESS = {"eigen_cam": gradcam.EigenCAM, "kpca_cam": gradcam.KPCA_CAM, "fem": gradcam.FEM}
METHODS = {**ANYWHERE, **AFTER_RECTIFIER, **WEIGHED, **CLASSLESS, "shapley_cam": gradcam.ShapleyCAM}
SAMPLES = 3


@dataclass
class Case:
    """A network and what is asked of it."""

    net: type
    size: tuple
    # Photos lie between these.
    low: float
    high: float
    # Layers after a rectifier, the last one first, and one that has values of both signs.
    rectified: list
    signed: str
    # Layers where the sign of Eigen-CAM is clear.
    eigen: list
    # a and b; and those of the two photos of a batch.
    classes: list
    batch: list
    # Of integrated gradients.
    baseline: float
    windows: list
    argmax_pixels: int = 0

    @property
    def maps(self):
        return self.net is Segmenter

    @property
    def last(self):
        return self.rectified[0]

    def photos(self, count, dtype):
        photos = [formula_photo(*self.size, n, self.low, self.high) for n in range(count)]
        return torch.cat(photos).to(dtype)

    def index(self):
        row = {"input": [3, *self.size], "low": self.low, "high": self.high, "thin": THIN}
        row |= {"rectified": self.rectified, "signed": self.signed, "eigen": self.eigen}
        row |= {"classes": self.classes, "batch": self.batch, "baseline": self.baseline}
        row |= {"windows": self.windows}
        return row | ({"argmax_pixels": self.argmax_pixels} if self.maps else {})


OVERLAPPING = {"window": 8, "stride": 5, "baseline": 0}
CASES = {
    "residual": Case(
        net=Residual,
        size=(32, 32),
        low=-2,
        high=2,
        rectified=["block2", "block1"],
        signed="block2.conv2",
        eigen=["block1", "conv1"],
        classes=[1, 2],
        batch=[2, 1],
        baseline=0,
        windows=[OVERLAPPING, {"window": 6, "stride": 6, "baseline": 1}],
    ),
    "branches": Case(
        net=Branches,
        size=(28, 36),
        low=-5,
        high=7,
        rectified=["relu3", "mix"],
        signed="depthwise",
        eigen=["relu3", "mix", "depthwise"],
        classes=[1, 0],
        batch=[1, 0],
        baseline=1,
        windows=[OVERLAPPING],
    ),
    "segmenter": Case(
        net=Segmenter,
        size=(24, 32),
        low=-2,
        high=2,
        rectified=["relu3", "relu2"],
        signed="up",
        eigen=["relu3", "relu1"],
        classes=[0, 2],
        batch=[2, 0],
        baseline=0,
        windows=[OVERLAPPING],
    ),
}


def class_target(case, c):
    if case.maps:
        return SemanticSegmentationTarget(c, np.ones(case.size))
    return ClassifierOutputTarget(c)


def targets(case, net, photo):
    a, b = case.classes
    found = {str(c): class_target(case, c) for c in case.classes}
    found["sum"] = lambda o: o[a].sum() + o[b].sum()
    found["difference"] = lambda o: o[a].sum() - o[b].sum()
    found["log_softmax"] = lambda o: torch.log_softmax(o, dim=0)[a].sum()
    found["squares"] = lambda o: (o**2).sum()
    if case.maps:
        with torch.no_grad():
            best = net(photo)[0].argmax(dim=0).numpy() == b
        case.argmax_pixels = int(best.sum())
        box = np.zeros(case.size)
        box[4:12, 6:20] = 1
        found["argmax"] = SemanticSegmentationTarget(b, np.float64(best))
        found["box"] = SemanticSegmentationTarget(a, box)
        found["pixel"] = lambda o: o[b, 10, 20]
    return found


class Scored(nn.Module):
    """The network with a target for each photo behind it: what captum takes for any target."""

    def __init__(self, net, wanted):
        super().__init__()
        self.net = net
        self.wanted = wanted

    def forward(self, photos):
        # captum repeats a batch as a whole, [photo 0, photo 1, photo 0, ...].
        pairs = zip(self.net(photos), itertools.cycle(self.wanted))
        return torch.stack([target(output) for output, target in pairs])


def raw(method):
    """pytorch-grad-cam's method, keeping each layer's maps before the ReLU and its weights, and with
    the sign of principal components fixed.
    """

    class Raw(method):
        def get_cam_weights(self, *args):
            self.weights = super().get_cam_weights(*args)
            return self.weights

        def get_cam_image(self, photos, layer, wanted, activations, gradients, eigen_smooth=False):
            args = (photos, layer, wanted, activations, gradients)
            image = super().get_cam_image(*args, eigen_smooth)
            plain = None
            if method in (gradcam.EigenCAM, gradcam.KPCA_CAM):
                plain = activations.mean(axis=1)
            elif method is gradcam.EigenGradCAM:
                plain = (gradients * activations).sum(axis=1)
            elif eigen_smooth:
                plain = super().get_cam_image(*args, False)
            if plain is not None:
                image = np.stack([aligned(*pair) for pair in zip(image, plain)])
            self.map = image
            return image

    return Raw


def aligned(component, plain):
    correlation = np.corrcoef(component.flatten(), plain.flatten())[0, 1]
    assert abs(correlation) > 0.1, f"the sign of a principal component is unclear: {correlation}"
    return component * np.sign(correlation)


def close(a, b, tolerance=1e-5):
    """Whether tensors or arrays agree, by the greatest value."""
    a, b = (torch.as_tensor(t).detach().double() for t in (a, b))
    assert a.shape == b.shape, (a.shape, b.shape)
    error = (a - b).abs().max() / b.abs().max()
    assert error < tolerance, f"peers differ by {error:.2e}"


def margins(net, photos):
    """No rectifier is near a corner, no pooling window near a tie: else rounding would decide."""

    def check(name, module, value):
        at = [value.abs().min()]
        if isinstance(module, nn.ReLU6):
            at.append((value - 6).abs().min())
        if isinstance(module, nn.MaxPool2d):
            padded = F.pad(value, (0, 2, 0, 2))
            windows = padded.unfold(2, module.kernel_size, module.stride)
            windows = windows.unfold(3, module.kernel_size, module.stride).flatten(4)
            first, second = windows.topk(2, dim=-1).values.unbind(-1)
            # Equal zeros and sixes lie behind a rectifier, which has no gradient there.
            at = [(first - second)[(first > 0) & (first < 6)].min()]
        margin = min(at) / value.abs().max()
        assert margin > 2e-6, f"{name}: {margin:.1e}"

    corners = (nn.ReLU, nn.ReLU6, nn.MaxPool2d)
    hooks = [
        module.register_forward_pre_hook(lambda module, args, name=name: check(name, module, args[0]))
        for name, module in net.named_modules()
        if isinstance(module, corners)
    ]
    with torch.no_grad():
        net(photos)
    for hook in hooks:
        hook.remove()


def activations(net, photos):
    """The outputs, and by name those of all layers with maps."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name, module in net.named_modules()
        if name and not (isinstance(module, nn.Sequential) and len(module) == 0)
    ]
    with torch.no_grad():
        outputs = net(photos)
    for hook in hooks:
        hook.remove()
    return outputs, {name: output for name, output in seen.items() if output.dim() == 4}


def thin(tensor):
    return torch.as_tensor(tensor).flatten()[::THIN]


class Numbers:
    """What the peers say about one photo, or about a batch of two."""

    def __init__(self, case, net, photos):
        self.case, self.net, self.photos = case, net, photos
        self.found = {}

    def put(self, key, value):
        value = torch.as_tensor(value).detach()
        assert key not in self.found, key
        assert value.isfinite().all(), key
        self.found[key] = value[0] if len(self.photos) == 1 and value.dim() > 1 else value

    def put_thin(self, key, value):
        self.found[key] = thin(torch.as_tensor(value).detach())
        assert self.found[key].isfinite().all(), key

    def has_relu6(self):
        return any(isinstance(module, nn.ReLU6) for module in self.net.modules())

    def gradcam(self, method, layers, wanted, **smoothing):
        """pytorch-grad-cam's own result, and its object for what was computed on the way."""
        modules = [self.net.get_submodule(layer) for layer in layers]
        with raw(METHODS[method])(self.net, modules) as cam:
            final = cam(self.photos, wanted, **smoothing)
            # Which ShapleyCAM cannot release by itself where they are views.
            cam.activations_and_grads.gradients.clear()
            return final, cam

    def torchcam(self, method, layers, wanted, normalized=False):
        with method(self.net, layers) as cam:
            maps = cam(targets=wanted, scores=self.net(self.photos), normalized=normalized)
            return cam, maps

    def put_gradcam(self, method, layer, name, wanted):
        final, cam = self.gradcam(method, [layer], wanted)
        self.put(f"{method}/{layer}/{name}", cam.map)
        return final, cam

    def gradients_at(self, layer, name, wanted):
        """The methods of the class activation family that take gradients at a layer."""
        rectified = layer in self.case.rectified
        for method in ANYWHERE | (AFTER_RECTIFIER if rectified else {}):
            self.put_gradcam(method, layer, name, wanted)
        self.same_elsewhere(layer, name, wanted, rectified)

    def weighed_at(self, layer, name, wanted, methods=WEIGHED):
        """Those that weigh channels by many forward passes."""
        for method in methods:
            self.put_gradcam(method, layer, name, wanted)

    def same_elsewhere(self, layer, name, wanted, rectified):
        """captum and torchcam, where they mean the same."""
        module = self.net.get_submodule(layer)
        map = captum.LayerGradCam(Scored(self.net, wanted), module).attribute(self.photos)[:, 0]

        def here(method):
            return self.found[f"{method}/{layer}/{name}"].reshape(map.shape)

        close(map, here("grad_cam"))
        methods = [("grad_cam", torchcam.GradCAM), ("layer_cam", torchcam.LayerCAM)]
        if rectified:
            methods.append(("x_grad_cam", torchcam.XGradCAM))
        for method, theirs in methods:
            _, (rectified_map,) = self.torchcam(theirs, layer, wanted)
            close(rectified_map, here(method).relu())
        # torchcam's Grad-CAM++ lacks the division.
        _, (undivided,) = self.torchcam(torchcam.GradCAMpp, layer, wanted)
        gradient, activation = self.with_gradient(layer, wanted)
        weights = (gradient**2 * gradient.relu()).sum(dim=(2, 3), keepdim=True)
        close(undivided, (weights * activation).sum(dim=1).relu())

    def with_gradient(self, layer, wanted):
        """The gradient at a layer, and its activation."""
        seen = []
        module = self.net.get_submodule(layer)
        hook = module.register_forward_hook(lambda _, __, output: seen.append(output))
        score = Scored(self.net, wanted)(self.photos).sum()
        hook.remove()
        return torch.autograd.grad(score, seen[0])[0], seen[0].detach()

    def cam(self, name, classes):
        """torchcam's CAM, which Grad-CAM generalises."""
        layer = self.case.last
        with torchcam.CAM(self.net, layer, "fc") as cam:
            (map,) = cam(classes, self.net(self.photos), normalized=False)
        self.put(f"cam/{layer}/{name}", map)
        here = self.found[f"grad_cam/{layer}/{name}"] * math.prod(map.shape[1:])
        close(self.found[f"cam/{layer}/{name}"], here)

    def smoothed(self, name, wanted):
        """Finished maps of one photo."""
        last = self.case.last
        for method in ("grad_cam", "grad_cam_plus_plus", "layer_cam", "hi_res_cam"):
            final, _ = self.gradcam(method, [last], wanted)
            self.put_thin(f"{method}/{last}/{name}/final", final)
        for method in ("grad_cam", "layer_cam"):
            final, cam = self.gradcam(method, [last], wanted, eigen_smooth=True)
            self.put(f"{method}/{last}/{name}/eigen", cam.map)
            self.put_thin(f"{method}/{last}/{name}/eigen/final", final)
        final, _ = self.gradcam("grad_cam", [last], wanted, aug_smooth=True)
        self.put_thin(f"grad_cam/{last}/{name}/augmented/final", final)
        final, _ = self.gradcam("grad_cam", [last], wanted, aug_smooth=True, eigen_smooth=True)
        self.put_thin(f"grad_cam/{last}/{name}/augmented_eigen/final", final)
        self.fused(name, wanted)

    def fused(self, name, wanted):
        # pytorch-grad-cam wants layers in the order in which they run: it pairs activations with
        # gradients by that.
        layers = self.case.rectified[::-1]
        final, _ = self.gradcam("grad_cam", layers, wanted)
        self.put_thin(f"grad_cam/{'+'.join(layers)}/{name}/mean/final", final)

        cam, maps = self.torchcam(torchcam.GradCAM, layers, wanted, normalized=True)
        final = cam.fuse_cams(maps, self.case.size)
        self.put_thin(f"grad_cam/{'+'.join(layers)}/{name}/max/final", final)

        modules = [self.net.get_submodule(layer) for layer in layers]
        with gradcam.GradCAM(self.net, modules) as cam:
            cam.aggregate_multi_layers = lambda scaled: np.concatenate(scaled, axis=1).max(axis=1)
            close(cam(self.photos, wanted), final)

    def eigen_cam(self):
        for layer in self.case.eigen:
            final, cam = self.gradcam("eigen_cam", [layer], None)
            self.put(f"eigen_cam/{layer}", cam.map)
            self.put_thin(f"eigen_cam/{layer}/final", final)
            for method in ("kpca_cam", "fem"):
                self.put(f"{method}/{layer}", self.gradcam(method, [layer], None)[1].map)

    def gradients(self, name, wanted):
        """One backward pass each."""
        scored = Scored(self.net, wanted)
        saliency = captum.Saliency(scored)
        signed = saliency.attribute(self.photos, abs=False)
        self.put_thin(f"saliency/{name}", signed)
        close(saliency.attribute(self.photos, abs=True), signed.abs())

        product = captum.InputXGradient(scored).attribute(self.photos)
        self.put_thin(f"input_x_gradient/{name}", product)
        close(product, self.photos * signed)

        pairs = (("guided", captum.GuidedBackprop), ("deconvolution", captum.Deconvolution))
        for method, theirs in pairs:
            self.put_thin(f"{method}/{name}", theirs(scored).attribute(self.photos))
            if self.has_relu6():
                value = sees_relu6(theirs)(scored).attribute(self.photos)
                self.put_thin(f"{method}_relu6/{name}", value)

    def finer(self, layer, c):
        cam = gradcam.FinerCAM(self.net, [self.net.get_submodule(layer)], base_method=raw(gradcam.GradCAM))
        cam(self.photos, target_idx=c)
        self.put(f"finer_cam/{layer}/{c}", cam.base_cam.map)

    def smooth(self, layer, name, wanted):
        """torchcam's Smooth Grad-CAM++, and from its gradients the mean that it leaves out."""
        noise, gradients = Noise(), []
        photos = self.photos
        over = (1, 2, 3)
        reach = 0.15 * (photos.amax(over, keepdim=True) - photos.amin(over, keepdim=True))

        class Seen(torchcam.SmoothGradCAMpp):
            def _backprop(self, *args, **kwargs):
                super()._backprop(*args, **kwargs)
                gradients.append(self.hook_g[0].clone())

        with Seen(self.net, layer, num_samples=SAMPLES) as cam:
            cam._distrib = Given(lambda size: noisy(noise, size, photos) * reach)
            self.net(photos)
            activation = cam.hook_a[0].clone()
            (theirs,) = cam(targets=wanted, normalized=False)
            last = cam.hook_a[0].clone()
        first, second, third = (sum(g**p for g in gradients) / SAMPLES for p in (1, 2, 3))

        def map(below, gradient, activation):
            share = second / (2 * second + below + 1e-8)
            weights = (share * gradient.relu()).sum(dim=(2, 3), keepdim=True)
            return (weights * activation).sum(dim=1)

        def total(t):
            return t.sum(dim=(2, 3), keepdim=True)

        close(map(total(activation * third), gradients[-1], last).relu(), theirs)
        found = map(total(activation) * third, first, activation)
        self.put(f"smooth_grad_cam_plus_plus/{layer}/{name}", found)

    def many_scores(self, layer, name, wanted):
        """torchcam's SS-CAM and IS-CAM."""
        with torchcam.SSCAM(self.net, layer, num_samples=SAMPLES) as cam:
            noise, size = Noise(), (1, 1, *self.photos.shape[2:])
            cam._distrib = Given(lambda _: 2 * noisy(noise, size, self.photos))
            self.net(self.photos)
            self.put(f"ss_cam/{layer}/{name}", cam(targets=wanted, normalized=False)[0])
        with torchcam.ISCAM(self.net, layer, num_samples=SAMPLES) as cam:
            self.net(self.photos)
            self.put(f"is_cam/{layer}/{name}", cam(targets=wanted, normalized=False)[0])

    def refined(self, name, wanted):
        layers = self.case.rectified
        modules = [self.net.get_submodule(layer) for layer in layers]
        final = RefineCAM(self.net, modules)(self.photos, wanted)
        self.put_thin(f"grad_cam_plus_plus/{'+'.join(layers)}/{name}/product/final", final)

    def full_grad(self, name, wanted):
        class Unscaled(gradcam.FullGrad):
            def aggregate_multi_layers(self, maps):
                return np.sum(maps, axis=1)

        with Unscaled(self.net, []) as cam:
            self.put_thin(f"full_grad/{name}", cam(self.photos, wanted))

    def guided_elsewhere(self, c):
        """pytorch-grad-cam's guided backpropagation, which knows classes of one photo only."""
        model = gradcam.GuidedBackpropReLUModel(copy.deepcopy(self.net))
        found = model(self.photos.clone(), c).transpose(2, 0, 1)
        close(thin(found.copy()), self.found[f"guided/{c}"])

    def guided_grad_cam(self, layer, name, wanted):
        scored = Scored(self.net, wanted)
        methods = {"guided_grad_cam": captum.GuidedGradCam(scored, self.net.get_submodule(layer))}
        if self.has_relu6():
            seeing = captum.GuidedGradCam(scored, self.net.get_submodule(layer))
            seeing.guided_backprop = sees_relu6(captum.GuidedBackprop)(scored)
            methods["guided_grad_cam_relu6"] = seeing
        for method, mode in itertools.product(methods, ("nearest", "bilinear")):
            value = methods[method].attribute(self.photos, interpolate_mode=mode)
            self.put_thin(f"{method}/{layer}/{name}/{mode}", value)

    def integrated_gradients(self, name, wanted):
        value, delta = captum.IntegratedGradients(Scored(self.net, wanted)).attribute(
            self.photos,
            baselines=float(self.case.baseline),
            n_steps=50,
            method="gausslegendre",
            return_convergence_delta=True,
        )
        self.put_thin(f"integrated_gradients/{name}/gausslegendre", value)
        change = value.sum(dim=(1, 2, 3)) - delta
        both = torch.stack([delta, change], dim=1)
        self.put(f"integrated_gradients/{name}/gausslegendre/delta", both)

    def smooth_grad(self, name, wanted):
        tunnel = WithFormulaNoise(captum.Saliency(Scored(self.net, wanted)))
        for part, kind, absolute in (
            ("", "smoothgrad", False),
            ("/absolute", "smoothgrad", True),
            ("/squared", "smoothgrad_sq", False),
            ("/variance", "vargrad", False),
        ):
            value = tunnel.attribute(self.photos, nt_type=kind, nt_samples=4, abs=absolute)
            self.put_thin(f"smooth_grad/{name}{part}", value)

    def blur_integrated_gradients(self, name, wanted):
        def gradients(photos, **_):
            photos = torch.from_numpy(photos).permute(0, 3, 1, 2).to(self.photos.dtype)
            found = captum.Saliency(Scored(self.net, wanted)).attribute(photos, abs=False)
            return {INPUT_OUTPUT_GRADIENTS: found.permute(0, 2, 3, 1).numpy()}

        photo = self.photos[0].permute(1, 2, 0).double().numpy()
        map = BlurIG().GetMask(photo, gradients, max_sigma=10, steps=8)
        self.put_thin(f"blur_integrated_gradients/{name}", map.transpose(2, 0, 1).copy())

    def expected_gradients(self, name, wanted):
        noise, places = Noise(), Noise(seed=1)
        photos = self.photos
        reach = 0.1 * (photos.max() - photos.min())
        copies = torch.cat([photos + noisy(noise, photos.shape, photos) * reach for _ in range(4)])
        baselines = [formula_photo(*self.case.size, n, self.case.low, self.case.high) for n in (5, 6)]
        baselines = torch.cat(2 * baselines).to(photos.dtype)
        # Tests take places in single precision.
        given = np.float64(np.float32(places.fractions(4)))
        with mock.patch("numpy.random.uniform", lambda *_: given):
            found = InputBaselineXGradient(Scored(self.net, wanted)).attribute(copies, baselines)
        self.put_thin(f"expected_gradients/{name}", found.mean(dim=0))

    def occlusion(self, name, wanted):
        method = captum.Occlusion(Scored(self.net, wanted))
        for i, row in enumerate(self.case.windows):
            value = method.attribute(
                self.photos,
                sliding_window_shapes=(3, row["window"], row["window"]),
                strides=(3, row["stride"], row["stride"]),
                baselines=row["baseline"],
            )
            assert (value == value[:, :1]).all()
            self.put_thin(f"occlusion/{name}/{i}", value[:, 0])


def sees_relu6(method):
    class SeesRelu6(method):
        def _register_hooks(self, module):
            super()._register_hooks(module)
            if isinstance(module, nn.ReLU6):
                hooks = _register_backward_hook(module, self._backward_hook, self)
                self.backward_hooks.extend(hooks)

    return SeesRelu6


class Given:
    """What torchcam draws noise from."""

    def __init__(self, sample):
        self.sample = sample


def noisy(noise, size, photos):
    """The same for each photo of a batch."""
    values = torch.from_numpy(noise.normal((1, *size[1:]))).to(photos.dtype)
    return values.expand(len(photos), *size[1:])


class WithFormulaNoise(captum.NoiseTunnel):
    @staticmethod
    def _add_noise_to_input(photos, _, count):
        (photo,) = photos
        reach = 0.15 * (photo.max() - photo.min()) * math.sqrt(3)
        noise = [formula_values(photo.numel(), 100 + j).reshape(photo.shape) for j in range(count)]
        return photo + reach * torch.from_numpy(np.stack(noise)).to(photo.dtype)


def one_photo(case, net, dtype):
    numbers = Numbers(case, net, case.photos(1, dtype))
    outputs, seen = activations(net, numbers.photos)
    (numbers.put_thin if case.maps else numbers.put)("logits", outputs)
    for layer, output in seen.items():
        flat = output.flatten()
        stats = torch.stack([flat.mean(), flat.std(correction=0), flat.max()])
        numbers.found[f"activation/{layer}/stats"] = stats
        numbers.found[f"activation/{layer}/samples"] = flat[:: flat.numel() // 64 | 1]

    known = targets(case, net, numbers.photos)
    a, b = map(str, case.classes)
    # Of a network of maps, the pixels of a class are what one explains.
    main, other = ("argmax", a) if case.maps else (a, b)
    # Sums over pixels lie far apart: Score-CAM's softmax would see one channel.
    weighed = ["pixel"] if case.maps else [main, other]
    for name, target in known.items():
        for layer in (*case.rectified, case.signed):
            if name in (main, other):
                numbers.gradients_at(layer, name, [target])
            elif layer != case.signed:
                numbers.put_gradcam("grad_cam", layer, name, [target])
        if name in (main, other):
            numbers.gradients(name, [target])
            numbers.integrated_gradients(name, [target])
            numbers.guided_grad_cam(case.last, name, [target])
        else:
            saliency = captum.Saliency(Scored(net, [target]))
            numbers.put_thin(f"saliency/{name}", saliency.attribute(numbers.photos, abs=False))
            if name in ("log_softmax", "squares"):
                for layer in (*case.rectified, case.signed):
                    numbers.put_gradcam("shapley_cam", layer, name, [target])
    numbers.put_gradcam("shapley_cam", case.rectified[1], main, [known[main]])
    numbers.refined(main, [known[main]])
    numbers.full_grad(main, [known[main]])
    for layer in case.rectified:
        numbers.smooth(layer, main, [known[main]])
    for name in weighed:
        for layer in case.rectified:
            numbers.weighed_at(layer, name, [known[name]])
            numbers.many_scores(layer, name, [known[name]])
        numbers.weighed_at(case.signed, name, [known[name]], ["score_cam"])
    if not case.maps:
        for c in case.classes:
            numbers.cam(c, c)
            numbers.guided_elsewhere(c)
            for layer in case.rectified:
                numbers.finer(layer, c)
        lowest = outputs[0].argmin().item()
        assert outputs[0, lowest] < 0
        wanted = [class_target(case, lowest)]
        numbers.weighed_at(case.last, str(lowest), wanted, ["ablation_cam"])
    numbers.guided_grad_cam(case.rectified[1], main, [known[main]])
    numbers.smoothed(main, [known[main]])
    numbers.eigen_cam()
    numbers.smooth_grad(main, [known[main]])
    numbers.blur_integrated_gradients(main, [known[main]])
    numbers.expected_gradients(main, [known[main]])
    for name in (main, "difference"):
        numbers.occlusion(name, [known[name]])
    if case.net is Branches:
        masks_at_full_size(numbers, known[main])
    return numbers.found


def masks_at_full_size(numbers, target):
    """Score-CAM where nothing is resized: torchcam's is pytorch-grad-cam's ReLU."""
    _, cam = numbers.gradcam("score_cam", ["relu6"], [target])
    with torchcam.ScoreCAM(numbers.net, "relu6") as other:
        numbers.net(numbers.photos)
        (map,) = other(targets=[target], normalized=False)
    close(map, np.maximum(cam.map, 0))


def two_photos(case, net, dtype):
    numbers = Numbers(case, net, case.photos(2, dtype))
    margins(net, numbers.photos)
    outputs, _ = activations(net, numbers.photos)
    (numbers.put_thin if case.maps else numbers.put)("logits", outputs)
    wanted = [class_target(case, c) for c in case.batch]
    numbers.gradients_at(case.last, "each", wanted)
    final, _ = numbers.gradcam("grad_cam", [case.last], wanted)
    numbers.put_thin(f"grad_cam/{case.last}/each/final", final)
    numbers.smooth(case.last, "each", wanted)
    numbers.full_grad("each", wanted)
    numbers.gradients("each", wanted)
    numbers.integrated_gradients("each", wanted)
    numbers.guided_grad_cam(case.last, "each", wanted)
    numbers.occlusion("each", wanted)
    if not case.maps:
        numbers.cam("each", case.batch)
        numbers.weighed_at(case.last, "each", wanted)
    return {f"batch/{key}": value for key, value in numbers.found.items()}


def everything(case, dtype):
    net = with_formula_weights(case.net()).to(dtype).eval()
    return one_photo(case, net, dtype) | two_photos(case, net, dtype)


def check_maps(found):
    """Maps that are empty after their ReLU, or flat, would test nothing."""
    for key, value in found.items():
        assert value.abs().max() > 0, key
        if value.dim() < 2 or key.endswith(("/delta", "logits")):
            continue
        for map in value if key.startswith("batch/") and value.dim() == 3 else [value]:
            size = map.abs().max()
            assert map.max() > 0.1 * size, f"{key} is negative: {map.min():.3g} .. {map.max():.3g}"
            assert map.std() > 0.02 * size, f"{key} is flat: {map.min():.3g} .. {map.max():.3g}"


def make(folder, cases, everything, bound, check=lambda found: None):
    """Stores what `everything` finds of each case in double precision, of which single precision may move nothing by more
    than `bound` of its greatest value."""
    warnings.filterwarnings("ignore", module="captum")
    folder.mkdir(exist_ok=True)
    for name, case in cases.items():
        found = everything(case, torch.float64)
        single = everything(case, torch.float32)
        assert found.keys() == single.keys()
        moved = {
            key: ((single[key] - value).abs().max() / value.abs().max()).item()
            for key, value in found.items()
        }
        most = max(moved, key=moved.get)
        print(f"{name}: single precision moves {most} most, by {moved[most]:.1e}")
        assert moved[most] < bound
        check(found)
        path = folder / f"{name}.safetensors"
        save_file({key: tensor.float().contiguous() for key, tensor in found.items()}, path)
        path.chmod(0o644)
        print(f"{path.name}: {len(found)} tensors, {path.stat().st_size:,} bytes\n")
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(case.index())}" for name, case in cases.items())
    (folder / "index.json").write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    make(FOLDER, CASES, everything, 5e-6, check_maps)
