"""Export the networks of docs/networks.md, for examples/networks.rs to open and compare.

    pip install -r tests/reference/requirements.txt
    python tests/reference/export_networks.py FOLDER [NAME..]

They are torchvision's, and timm's as timm_NAME, with seeded weights. FOLDER/NAME/ gets

static.pt2               exported from a single photo
dynamic.pt2              from two, with a free batch
torchscript.onnx         by PyTorch's older exporter, from a single photo
dynamo.onnx              by its newer one
reference.safetensors    `input` and `output` of two photos, and `inner:LAYER` of five modules spread over
                         the depth. `cam` is pytorch-grad-cam's Grad-CAM of the first photo, before its
                         ReLU and scaling, `cam_maps` are the maps that it was taken at (`last_maps`), and
                         `cam_class` is its class: what the network predicts, or where it segments, the
                         class of most pixels, summed over these. All in double precision, then rounded

Seeded weights alone make networks whose values grow or vanish, and that answer every photo alike. So the
photos are smooth pictures with noise, what starts as a constant (norms, biases, scales of layers) is drawn at
random, and in one pass each convolution and linear layer is scaled so that its output has a deviation of 1.
"""

import copy
import inspect
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, SemanticSegmentationTarget
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim, export, save
from torchvision.models import VGG, AlexNet, VisionTransformer
from torchvision.ops import StochasticDepth

from exports import outputs_of, photos, seeded, tensor_of

NAMES = [
    *torchvision.models.list_models(module=torchvision.models),
    *torchvision.models.list_models(module=torchvision.models.segmentation),
    *"""timm_beit_base_patch16_224 timm_coat_lite_tiny timm_convnext_nano timm_cspresnet50 timm_darknet53
    timm_deit_tiny_patch16_224 timm_edgenext_xx_small timm_efficientnet_lite0 timm_ghostnet_050 timm_hrnet_w18_small
    timm_levit_128s timm_mixer_s32_224 timm_mobilevit_xxs timm_nf_resnet50 timm_poolformer_s12 timm_pvt_v2_b0
    timm_repvgg_a0 timm_res2net50_26w_4s timm_resnetv2_50 timm_vit_tiny_patch16_224
    timm_xcit_nano_12_p16_224""".split(),
]

# The modules of the last maps, where these are tokens, and how many tokens stand before those of the pixels.
TOKENS = {
    "timm_beit_base_patch16_224": ("blocks.11", 1),
    "timm_coat_lite_tiny": ("serial_blocks4.1.norm1", 1),
    "timm_deit_tiny_patch16_224": ("blocks.11.norm1", 1),
    "timm_levit_128s": ("stages", 0),
    "timm_mixer_s32_224": ("norm", 0),
    "timm_vit_tiny_patch16_224": ("blocks.11.norm1", 1),
    "timm_xcit_nano_12_p16_224": ("cls_attn_blocks.1.norm1", 1),
}


def untrained(name):
    """A network, and the side of its photos."""
    torch.manual_seed(0)
    if name.startswith("timm_"):
        net = timm.create_model(name.removeprefix("timm_"), pretrained=False)
        return net.eval(), net.default_cfg["input_size"][-1]
    options = {"weights": None}
    if name in ["googlenet", "inception_v3"]:
        options |= {"transform_input": False, "aux_logits": False, "init_weights": True}
    if name.startswith(("fcn", "deeplab", "lraspp")):
        options |= {"weights_backbone": None}
    net = torchvision.models.get_model(name, **options)
    return net.eval(), 299 if name == "inception_v3" else 224


def calls_of(net, x):
    """What its modules give, in the order in which they are done."""
    calls = []

    def note(path):
        return lambda module, inputs, output: calls.append((path, output))

    # In evaluation they do nothing.
    skipped = nn.Identity, nn.Dropout, StochasticDepth
    modules = [(path, m) for path, m in net.named_modules() if path and not isinstance(m, skipped)]
    hooks = [m.register_forward_hook(note(path)) for path, m in modules]
    net(x)
    for hook in hooks:
        hook.remove()
    return [(path, output) for path, output in calls if torch.is_tensor(output)]


@torch.no_grad()
def last_maps(name, net, x):
    """The module of the last maps, before they are pooled or enlarged, and how many tokens stand before its pixels."""
    if name in TOKENS:
        return TOKENS[name]
    if isinstance(net, VisionTransformer):
        return f"encoder.layers.encoder_layer_{len(net.encoder.layers) - 1}.ln_1", 1
    if isinstance(net, (AlexNet, VGG)):
        # Their features end in a pooling.
        return f"features.{len(net.features) - 2}", None
    # Tables of positions in a window may have four dimensions, too, but are the same for all photos.
    calls = [(path, output) for path, output in calls_of(net, x) if output.dim() == 4 and len(output) == len(x)]
    sizes = {path: output.shape[2:].numel() for path, output in calls}
    least = min(size for size in sizes.values() if size > 1)
    return [path for path, size in sizes.items() if size == least][-1], None


class Raw(GradCAM):
    """Keeps the maps of a layer as they are before the ReLU."""

    def get_cam_image(self, photo, layer, targets, activations, *others):
        self.maps = torch.from_numpy(activations)
        self.map = super().get_cam_image(photo, layer, targets, activations, *others)
        return self.map


class FirstOutput(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return tensor_of(self.net(x))


@torch.enable_grad()
def grad_cam(name, net, x):
    net = copy.deepcopy(net).double()
    path, others = last_maps(name, net, x.double())
    x = x[:1].double()

    def pixels(tokens):
        tokens = tokens[:, others:].transpose(1, 2)
        side = round(tokens.shape[2] ** 0.5)
        return tokens.unflatten(2, (side, side))

    whole = FirstOutput(net)
    with torch.no_grad():
        output = whole(x)[0]
    if output.dim() == 3:
        best = output.argmax(dim=0)
        wanted = int(best.flatten().bincount().argmax())
        target = SemanticSegmentationTarget(wanted, np.float64(best == wanted))
    else:
        wanted = int(output.argmax())
        target = ClassifierOutputTarget(wanted)
    module = net.get_submodule(path)
    with Raw(whole, [module], None if others is None else pixels) as cam:
        # A copy goes on: what follows may write over it.
        module.register_forward_hook(lambda module, inputs, output: output.clone())
        cam(x, [target])
    print(f"{name}: Grad-CAM at {path}, {list(cam.maps.shape[1:])}")
    found = {"cam": torch.from_numpy(cam.map[0]), "cam_maps": cam.maps, "cam_class": torch.tensor(wanted)}
    return {key: value.float().contiguous() for key, value in found.items()}


@torch.no_grad()
def reference(net, x):
    paths = [path for path, _ in calls_of(net, x)]
    once = [path for path in paths if paths.count(path) == 1]
    chosen = {once[int(part * len(once))] for part in [0.05, 0.25, 0.5, 0.7, 0.95]}
    return outputs_of(net, x, chosen, "inner")


@torch.no_grad()
def make(folder, name):
    net, side = untrained(name)
    net = seeded(net, side)
    x = photos(side, 3)
    folder.mkdir(parents=True, exist_ok=True)
    argument = next(iter(inspect.signature(net.forward).parameters))
    program = export(net, (x[:1],))
    save(program, folder / "static.pt2")
    save(export(net, (x,), dynamic_shapes={argument: {0: Dim("batch")}}), folder / "dynamic.pt2")
    # Without gradients, the older exporter writes attention as an operation that ONNX does not know.
    with torch.enable_grad():
        # It writes what a protobuf cannot hold, over 2 GB, beside it, where it knows the path as a text.
        torch.onnx.export(net, (x[:1],), str(folder / "torchscript.onnx"), opset_version=17, dynamo=False)
    large = sum(p.numel() * p.element_size() for p in net.parameters()) > 1.5e9
    torch.onnx.export(program, (x[:1],), folder / "dynamo.onnx", opset_version=20, dynamo=True, external_data=large)
    save_file(reference(net, x) | grad_cam(name, net, x), folder / "reference.safetensors")


if __name__ == "__main__":
    for name in sys.argv[2:] or NAMES:
        make(Path(sys.argv[1]) / name, name)
        print(name, flush=True)
