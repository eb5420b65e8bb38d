"""Make tests/reference/relevance/: layer-wise relevance propagation and DeepLIFT as their peers compute them.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_relevance.py

Peers: Z is zennit, C captum, at the versions of requirements.txt. Networks are those of method_networks.py,
weights and photos those of formula.py; index.json says for each network between which values its photos lie,
its targets, and DeepLIFT's baseline. As in make_methods.py, all is computed in double precision and stored as
float32, thinned: every 11th value of the flat tensor. The script runs all of it in single precision, too,
and asserts that nothing moves by more than 3e-5 of the greatest value: a test may ask for 5e-5.

One photo, number 0; the same behind `batch/` for photos 0 and 1 in one pass, with index.json's `batch` as
their classes, one each:

logits                       [classes], or thinned maps
lrp/COMPOSITE/TARGET         [3, H, W], Z. Relevance starts at the output as output times gradient of the target.
                             Batch norms are merged into the convolutions before them, and sums are Z's `Sum`, as in
                             its canonizers for torchvision's networks. Z merges a batch norm without its eps,
                             and so moves all that follows by 5e-6 a layer: here eps is 0 once it is merged.
                             COMPOSITE: Z's `epsilon_plus`, `epsilon_plus_flat`, `epsilon_alpha2_beta1`,
                             `epsilon_alpha2_beta1_flat`, and `epsilon_gamma_box` between index.json's `low` and
                             `high`; and single rules for all convolutions and linear layers: `epsilon` (of 0.01),
                             `z_plus`, `gamma` (of 0.1), `alpha_beta` (3 and 2), `w_square` (first layer, z_plus after it).
                             Layer normalisation passes relevance on, Z's `Pass`.
lrp/COMPOSITE/TARGET/unbiased    Z's zero_params="bias"
deep_lift/TARGET             [3, H, W], C's DeepLift made to see ReLU6, SiLU and GELU as it sees ReLU, and layer
                             normalisation as a product (`normalised`); with a maximum pooling whose windows may overlap (`pooled`), and with
                             poolings right behind rectifiers (`seeing`).
deep_lift/TARGET/captum      C's own, where that is something else
deep_lift_shap/TARGET        the same, DeepLiftShap over photos 5 and 6
"""

import os
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

os.environ["TQDM_DISABLE"] = "1"

import captum.attr as captum
import torch
from captum.attr._core import deep_lift
from formula import formula_photo, with_formula_weights
from make_methods import CASES, Case, Scored, class_target, close, make, targets, thin
from method_networks import Block, Tokens
from torch import nn
from torch.nn import functional as F
from zennit import composites, rules
from zennit.canonizers import AttributeCanonizer, CompositeCanonizer, SequentialMergeBatchNorm
from zennit.layer import Sum
from zennit.types import Convolution

FOLDER = Path(__file__).resolve().parent / "relevance"

NETWORKS = CASES | {
    "tokens": Case(
        net=Tokens,
        size=(30, 26),
        low=-2,
        high=2,
        rectified=[],
        signed="depthwise",
        eigen=[],
        classes=[1, 2],
        batch=[0, 1],
        baseline=0.5,
        windows=[],
    )
}


class Sums(AttributeCanonizer):
    """Sums that a rule can hold on to, as zennit's own canonizers make them for torchvision's ResNets."""

    def __init__(self):
        super().__init__(self.sums)

    def copy(self):
        return Sums()

    @staticmethod
    def sums(_, module):
        if isinstance(module, Block):

            def forward(x):
                y = module.bn2(module.conv2(module.relu1(module.bn1(module.conv1(x)))))
                return module.relu2(module.sum(torch.stack([y, module.downsample(x)], dim=-1)))

            return {"forward": forward, "sum": Sum()}
        if isinstance(module, Tokens):

            def forward(x):
                x = module.pool(module.act1(module.conv1(x)))
                y = module.act2(module.bn(module.depthwise(x)))
                x = module.sum1(torch.stack([x, y], dim=-1))
                y = x.permute(0, 2, 3, 1)
                y = module.fc2(module.act3(module.fc1(module.norm(y))))
                x = module.sum2(torch.stack([x, y.permute(0, 3, 1, 2)], dim=-1))
                return module.fc(module.flatten(module.avgpool(x)))

            return {"forward": forward, "sum1": Sum(), "sum2": Sum()}
        return None


class MergedWithEps(SequentialMergeBatchNorm):
    def register(self, linears, batch_norm):
        super().register(linears, batch_norm)
        self.eps, batch_norm.eps = batch_norm.eps, 0.0

    def remove(self):
        super().remove()
        self.batch_norm.eps = self.eps


def composite(name, case, zero_params):
    """One of zennit's, or a rule for all layers with weights."""
    keywords = {"canonizers": [CompositeCanonizer([Sums(), MergedWithEps()])], "zero_params": zero_params}
    keywords["layer_map"] = [(nn.LayerNorm, rules.Pass())]
    single = {
        "epsilon": lambda: rules.Epsilon(0.01, zero_params=zero_params),
        "z_plus": lambda: rules.ZPlus(zero_params=zero_params),
        "gamma": lambda: rules.Gamma(0.1, zero_params=zero_params),
        "alpha_beta": lambda: rules.AlphaBeta(3.0, 2.0, zero_params=zero_params),
        "w_square": lambda: rules.ZPlus(zero_params=zero_params),
    }
    if name in single:
        keywords["layer_map"].append(((Convolution, nn.Linear), single[name]()))
        if name == "w_square":
            first = [(Convolution, rules.WSquare(zero_params=zero_params))]
            return composites.EpsilonPlusFlat(first_map=first, **keywords)
        return composites.EpsilonPlus(**keywords)
    if name == "epsilon_gamma_box":
        return composites.EpsilonGammaBox(low=float(case.low), high=float(case.high), **keywords)
    by_name = {
        "epsilon_plus": composites.EpsilonPlus,
        "epsilon_plus_flat": composites.EpsilonPlusFlat,
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1,
        "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat,
    }
    return by_name[name](**keywords)


COMPOSITES = [
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "epsilon_gamma_box",
    "epsilon",
    "z_plus",
    "gamma",
    "alpha_beta",
    "w_square",
]


def relevance(name, case, net, photos, wanted, zero_params=None):
    photos = photos.clone().requires_grad_()
    with composite(name, case, zero_params).context(net) as modified:
        outputs = modified(photos)
        leaf = outputs.detach().requires_grad_()
        score = sum(target(output) for target, output in zip(wanted, leaf))
        (slope,) = torch.autograd.grad(score, leaf)
        (found,) = torch.autograd.grad(outputs, photos, outputs.detach() * slope)
    return found


def pooled(module, inputs, outputs, grad_input, grad_output, eps):
    """captum's rule for a maximum, where windows may overlap: its `max_unpool2d` keeps one of the values that two
    windows give to a pixel, and this adds them up. And its `grad_input[0]` is the gradient of the first of a batch.
    """
    (x, x0), (y, y0) = inputs.chunk(2), outputs.chunk(2)
    greatest = torch.max(y, y0)
    multiplier = grad_output.chunk(2)[0]
    given = torch.zeros_like(x)
    for at, share in ((x, greatest - y0), (x0, y - greatest)):
        options = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
        _, places = F.max_pool2d(at, *options, return_indices=True)
        flat = given.flatten(2)
        flat.scatter_add_(2, places.flatten(2), (multiplier * share).flatten(2))
        given = flat.reshape(x.shape)
    found = torch.where((x - x0).abs() < eps, grad_input.chunk(2)[0], given / (x - x0))
    return torch.cat(2 * [found])


def normalised(module, inputs, outputs, grad_input, grad_output, eps):
    """Layer normalisation as a product, c r, of what is left of the mean and of r = (mean(c^2) + eps)^(-1/2): by the
    multipliers of products, (a + a0) / 2, and of functions of one value, slopes between both.
    """
    x, x0 = inputs.chunk(2)
    multiplier = grad_output.chunk(2)[0] * module.weight
    (c, s), (c0, s0) = ((v - v.mean(-1, True), v.var(-1, correction=0, keepdim=True)) for v in (x, x0))
    r, r0 = (s + module.eps) ** -0.5, (s0 + module.eps) ** -0.5
    of_r = (multiplier * (c + c0) / 2).sum(-1, True)
    of_s = of_r * (r - r0) / (s - s0)
    of_c = multiplier * (r + r0) / 2 + of_s * (c + c0) / c.shape[-1]
    return torch.cat(2 * [of_c - of_c.mean(-1, True)])


@contextmanager
def seeing(net):
    """captum's rules and those above. captum keeps the gradient at a module's output before the rule of a module
    that reads the same tensor has changed it, a pooling behind a rectifier: each gets a copy of its own.
    """

    def copies(_, args):
        return tuple(tensor.clone() for tensor in args)

    hooks = [m.register_forward_pre_hook(copies) for m in net.modules() if type(m) in SEEN]
    with mock.patch.dict(deep_lift.SUPPORTED_NON_LINEAR, SEEN):
        yield
    for hook in hooks:
        hook.remove()


SEEN = {
    nn.ReLU6: deep_lift.nonlinear,
    nn.SiLU: deep_lift.nonlinear,
    nn.GELU: deep_lift.nonlinear,
    nn.MaxPool2d: pooled,
    nn.LayerNorm: normalised,
}


class Numbers:
    """What the peers say about one photo, or about a batch of two."""

    def __init__(self, case, net, photos):
        self.case, self.net, self.photos = case, net, photos
        self.found = {}

    def put(self, key, value):
        value = thin(value.detach())
        assert value.isfinite().all() and key not in self.found, key
        self.found[key] = value

    def lrp(self, name, target, wanted):
        self.put(f"lrp/{name}/{target}", relevance(name, self.case, self.net, self.photos, wanted))

    def unbiased(self, name, target, wanted):
        found = relevance(name, self.case, self.net, self.photos, wanted, "bias")
        self.put(f"lrp/{name}/{target}/unbiased", found)

    def deep_lift(self, target, wanted):
        def lifted():
            method = captum.DeepLift(Scored(self.net, wanted))
            return method.attribute(self.photos, baselines=float(self.case.baseline)).detach()

        own = lifted()
        with seeing(self.net):
            seen = lifted()
        self.put(f"deep_lift/{target}", seen)
        if (own - seen).abs().max() > 1e-3 * seen.abs().max():
            self.put(f"deep_lift/{target}/captum", own)
        else:
            close(own, seen)
        kinds = sorted({type(m).__name__ for m in self.net.modules() if type(m) in SEEN})
        with torch.no_grad():
            score = Scored(self.net, wanted)
            there = torch.full_like(self.photos, self.case.baseline)
            change = score(self.photos) - score(there)
        for what, value in (("captum", own), ("here", seen)):
            gap = (value.sum(dim=(1, 2, 3)) - change).abs().max() / change.abs().max()
            print(f"  deep_lift {target}, {kinds}: {what} misses {gap:.1e} of the change")
            assert what == "captum" or gap < 1e-3

    def deep_lift_shap(self, target, wanted):
        low, high = self.case.low, self.case.high
        baselines = [formula_photo(*self.case.size, n, low, high) for n in (5, 6)]
        baselines = torch.cat(baselines).to(self.photos.dtype)
        with seeing(self.net):
            method = captum.DeepLiftShap(Scored(self.net, wanted))
            self.put(f"deep_lift_shap/{target}", method.attribute(self.photos, baselines).detach())


def one_photo(case, net, dtype):
    numbers = Numbers(case, net, case.photos(1, dtype))
    with torch.no_grad():
        numbers.put("logits", net(numbers.photos))
    known = targets(case, net, numbers.photos)
    a = str(case.classes[0])
    main = "argmax" if case.maps else a
    for name in COMPOSITES:
        numbers.lrp(name, main, [known[main]])
    numbers.lrp("epsilon_plus_flat", "difference", [known["difference"]])
    for name in ("epsilon_plus", "epsilon_alpha2_beta1"):
        numbers.unbiased(name, main, [known[main]])
    for name in (main, "difference"):
        numbers.deep_lift(name, [known[name]])
    numbers.deep_lift_shap(main, [known[main]])
    return numbers.found


def two_photos(case, net, dtype):
    numbers = Numbers(case, net, case.photos(2, dtype))
    with torch.no_grad():
        numbers.put("logits", net(numbers.photos))
    wanted = [class_target(case, c) for c in case.batch]
    for name in ("epsilon_plus_flat", "epsilon_gamma_box"):
        numbers.lrp(name, "each", wanted)
    numbers.deep_lift("each", wanted)
    return {f"batch/{key}": value for key, value in numbers.found.items()}


def everything(case, dtype):
    net = with_formula_weights(case.net()).to(dtype).eval()
    return one_photo(case, net, dtype) | two_photos(case, net, dtype)


if __name__ == "__main__":
    make(FOLDER, NETWORKS, everything, 3e-5)
