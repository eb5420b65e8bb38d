"""Make tests/reference/attribution/: activations and Grad-CAM as PyTorch and three libraries see them.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_attribution.py

Four cases (index.json says which layers and classes each has):

plain               a small classifier (plain() below), formula weights, formula image 3x32x32
squeezenet_formula  torchvision's squeezenet1_1, formula weights, formula image 3x64x64
cat, cat_and_dog    squeezenet1_1 with assets/weights, on preprocess/<case>_crop.png normalised

Formula weights and the formula image are those of formula.py.

Each case is a .safetensors file (float32):

logits                            [classes]
activation/<layer>/stats          mean, population standard deviation, largest value
activation/<layer>/samples        every s-th value of the flat activation, s = (count / 128) | 1
gradcam/<layer>/<class>/signed    sum_k alpha_k A_k before the ReLU, [h, w]
gradcam/<layer>/<class>/final     pytorch-grad-cam's result at the input's size, every stride-th
                                  row and column from 0: ReLU, (x - min) / (1e-7 + max), bilinear
                                  resize with half-pixel centres, the same scaling again

`signed` is pytorch-grad-cam's; the script asserts that captum's is the same and torchcam's its
ReLU. The plain network's pool1 under class 0 is negative everywhere: its `final` is zero. In-place
ReLUs are switched off: with them, hooks see the activation after its rectifier.
"""

import json
from pathlib import Path

import torch
from captum.attr import LayerGradCam
from formula import formula_photo, with_formula_weights
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.torch import load_file, save_file
from torch import nn
from torchcam.methods import GradCAM as TorchCam
from torchvision import models, transforms

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "attribution"
WEIGHTS = HERE.parent.parent / "assets" / "weights" / "squeezenet1_1.safetensors"

NORMALIZE = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def plain():
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 8, 3, padding=1))
    net.add_module("relu1", nn.ReLU())
    net.add_module("pool1", nn.MaxPool2d(2))
    net.add_module("conv2", nn.Conv2d(8, 16, 3, padding=1))
    net.add_module("bn2", nn.BatchNorm2d(16))
    net.add_module("relu2", nn.ReLU())
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(3))
    net.add_module("flatten", nn.Flatten())
    net.add_module("fc", nn.Linear(16 * 3 * 3, 10))
    return net


def squeezenet():
    return models.squeezenet1_1(weights=None)


def trained():
    net = squeezenet()
    net.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    return net


def photo(case):
    image = Image.open(HERE / "preprocess" / f"{case}_crop.png")
    return NORMALIZE(transforms.ToTensor()(image))[None]


def activations(net, image):
    """The logits, and by name the outputs of all layers (of the fires, the first one's parts too)."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
        for name, module in net.named_modules()
        if name and (name.count(".") < 2 or name.startswith("features.3."))
    ]
    with torch.no_grad():
        logits = net(image)[0]
    for hook in hooks:
        hook.remove()
    return logits, seen


class Signed(GradCAM):
    """pytorch-grad-cam's GradCAM that keeps the map as it is before the ReLU."""

    def get_cam_image(self, *args, **kwargs):
        self.signed = super().get_cam_image(*args, **kwargs)
        return self.signed


def grad_cam(net, image, layer, target):
    module = net.get_submodule(layer)
    with Signed(net, [module]) as cam:
        final = cam(image, [ClassifierOutputTarget(target)])[0]
        signed = torch.from_numpy(cam.signed[0])

    captum = LayerGradCam(net, module).attribute(image, target)[0, 0].detach()
    torch.testing.assert_close(captum, signed, rtol=1e-4, atol=1e-5 * signed.abs().max().item())
    with TorchCam(net, layer) as cam:
        (rectified,) = cam(target, net(image), normalized=False)
    torch.testing.assert_close(rectified[0], signed.relu(), rtol=1e-4, atol=1e-5 * signed.abs().max().item())
    return signed, torch.from_numpy(final)


def case(name, net, image, layers, classes, stride):
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False

    logits, seen = activations(net, image)
    tensors = {"logits": logits}
    for layer, output in seen.items():
        if output.dim() == 4:
            flat = output.flatten()
            tensors[f"activation/{layer}/stats"] = torch.stack(
                [flat.mean(), flat.std(correction=0), flat.max()]
            )
            tensors[f"activation/{layer}/samples"] = flat[:: flat.numel() // 128 | 1]
    for layer in layers:
        for target in classes:
            signed, final = grad_cam(net, image, layer, target)
            tensors[f"gradcam/{layer}/{target}/signed"] = signed
            tensors[f"gradcam/{layer}/{target}/final"] = final[::stride, ::stride]
            print(f"{name} {layer} {target}: {tuple(signed.shape)} {signed.min():.4g} .. {signed.max():.4g}")

    path = FOLDER / f"{name}.safetensors"
    save_file({key: tensor.contiguous().float() for key, tensor in tensors.items()}, path)
    path.chmod(0o644)
    top = logits.topk(5)
    print(f"{name}: logits {dict(zip(top.indices.tolist(), top.values.tolist(), strict=True))}")
    print(f"{path.name}: {path.stat().st_size:,} bytes\n")
    return {"layers": layers, "classes": classes, "stride": stride, "input": list(image.shape)}


def main():
    FOLDER.mkdir(exist_ok=True)
    small = ["conv1", "pool1", "conv2", "relu2"]
    fires = ["classifier.1", "features.12", "features.12.expand3x3_activation", "features.7"]
    formula = with_formula_weights(squeezenet())
    index = {
        "plain": case("plain", with_formula_weights(plain()), formula_photo(32, 32), small, [0, 3], 2),
        "squeezenet_formula": case("squeezenet_formula", formula, formula_photo(64, 64), fires, [165, 527], 4),
        "cat": case("cat", trained(), photo("cat"), fires, [282, 285], 8),
        "cat_and_dog": case("cat_and_dog", trained(), photo("cat_and_dog"), fires, [176, 282], 8),
    }
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in index.items())
    (FOLDER / "index.json").write_text(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
