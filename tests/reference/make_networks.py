"""Make tests/reference/networks/: small networks as PyTorch exports them, and what they compute.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_networks.py

NAME.pt2 is torch.export.save's, NAME.safetensors what the network computes, with the weights and photos
of formula.py:

input              [2, 3, H, W]
output             of the batch
inner:LAYER        the output of a module, by its name in PyTorch
gradient           of the sum of the scores of class 1 with respect to the input
grad_cam:LAYER     [2, h, w]: sum_k mean(g_k) A_k for the scores of class 1, before ReLU and scaling, at a
                   module whose output is maps, or class token, pixels and registers as tokens, of which the pixels
                   count (pytorch-grad-cam's reshape_transform)
attention:N        [2, heads, tokens, tokens]: softmax(q k^T / sqrt(features)) of the attention N
rollout            [2, h, w]: the class token's row of the product of (mean over heads + 1) / 2

The networks are torchvision's architectures with few channels, and one that uses what they do not.
`one_photo` ones are exported from a single photo, whose batch the file does not say is free; the others
from two, with a free batch. `alone` works for a single photo, and mixes several. What tells of the machine, stack
traces, is taken out of the graphs.
"""

import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from captum.attr import GuidedBackprop, IntegratedGradients, Occlusion, Saliency
from exports import save_without_traces
from formula import formula_photo, with_formula_weights
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim, export
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

FOLDER = Path(__file__).resolve().parent / "networks"
DARK = [1.0, -1.0, 0.5, 2.0, 0.0, -3.0]


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, 4, 1)
        self.fc2 = nn.Conv2d(4, channels, 1)

    def forward(self, x):
        gate = self.fc2(F.relu(self.fc1(self.pool(x)), inplace=True))
        return torch.sigmoid(gate) * x


class Block(nn.Module):
    """Two ways of one rectifier, in place, around a sum in place."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, groups=out, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.gate = Gate(out)
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.gate(self.bn2(self.conv2(y)))
        y += self.downsample(x)
        return self.relu(y)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.layer1 = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2))
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.maxpool(F.relu6(self.bn1(self.conv1(x)), inplace=True))
        x = self.layer1(x)
        return self.fc(self.dropout(x.mean([2, 3])))


class Standardized(nn.Conv2d):
    """A convolution whose weights are normalised whenever it runs."""

    def forward(self, x):
        weight = self.weight.view(1, self.out_channels, -1)
        weight = F.batch_norm(weight, None, None, training=True, momentum=0.0).view_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Odd(nn.Module):
    """What the others do not use."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, (3, 2), stride=(2, 1), dilation=(1, 2))
        self.same = Standardized(8, 8, 3, padding="same")
        self.prelu = nn.PReLU(8)
        self.group = nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.average = nn.AvgPool2d((3, 2), stride=2, padding=1, count_include_pad=False, ceil_mode=True)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.register_buffer("order", torch.tensor([3, 1, 0, 2, 7, 5, 6, 4]))
        self.register_buffer("shift", torch.tensor(0.25), persistent=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = F.pad(x, (1, 2, 1, 0), mode="reflect")
        x = self.instance(self.group(self.prelu(self.same(self.conv(x)))))
        a, b, c, d = x.chunk(4, 1)
        a = torch.stack([F.gelu(a), F.gelu(a, approximate="tanh"), F.elu(a, 0.5)], 1).sum(1)
        b = F.mish(b) + F.softplus(b, beta=2) - F.leaky_relu(b, 0.2) * F.hardswish(b)
        c = torch.rsub(torch.maximum(F.hardsigmoid(c), F.logsigmoid(c)).abs().add(1).sqrt(), 3, alpha=2)
        d = torch.where(d > 0.1, torch.tanh(d), d.clamp(max=0.5).exp()) / (1 + d.square())
        x = torch.cat([a, b, c, d], 1)[:, self.order] * self.scale + self.shift
        x = self.up(self.average(x))
        x = F.interpolate(x, scale_factor=2.0) + F.interpolate(x, size=(x.shape[2] * 2, x.shape[3] * 2), mode="bilinear")
        x = F.interpolate(x, size=(12, 10), mode="bicubic", align_corners=True)
        x = torch.flip(x.roll((1, -2), (2, 3)), [3])[:, :, ::2, 1:9]
        mask = torch.zeros(6, 8)
        mask[1:3, 2:5] = 1
        rows, columns = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
        x = x.masked_fill(mask == 1, -0.5) + 0.01 * (rows - columns).float().cumsum(0)
        x = F.pixel_shuffle(torch.cat([x, x * 0.5], 1), 2)
        tokens = x.flatten(2).transpose(1, 2)
        q, k = tokens.split([2, 2], 2)
        attention = torch.softmax(torch.einsum("b q c, b k c -> b q k", q, k) * 0.1, -1)
        x = torch.matmul(attention, tokens).unflatten(1, (12, 16)).permute(0, 3, 1, 2)
        norm = x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(1e-6)
        parts = [norm.mean((2, 3)), x.amax((2, 3)), torch.logsumexp(x, (2, 3)), x.std((2, 3))]
        return F.log_softmax(self.head(torch.cat(parts, 1)), 1)


class Unknown(nn.Module):
    """Ends in what no network here does."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return torch.igamma(x.abs() + 1, x.abs()).mean((2, 3)) + x.erfinv().nansum((2, 3))


class Ends(nn.Module):
    """Three inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(1, 4, 3, padding=1)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.conv3 = nn.Conv2d(10, 8, 3, 2)
        self.meta = nn.Linear(5, 3)
        self.fc = nn.Linear(11, 4)
        self.aux = nn.Linear(6, 1)

    def forward(self, image, depth, meta):
        image = self.relu1(self.conv1(image))
        x = torch.cat([image, self.relu2(self.conv2(depth))], 1)
        x = self.relu3(self.conv3(x)).mean((2, 3))
        x = torch.cat([x, torch.tanh(self.meta(meta))], 1)
        return {"logits": self.fc(x), "aux": self.aux(image.mean((2, 3)))}


class Registers(nn.Module):
    """A transformer whose 3 × 5 patches are cut out by reshaping, with a class token before and registers behind."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(192, 12)
        self.first = nn.Parameter(torch.zeros(1, 1, 12))
        self.registers = nn.Parameter(torch.zeros(1, 4, 12))
        self.places = nn.Parameter(torch.zeros(1, 20, 12))
        self.norm1, self.norm2 = nn.LayerNorm(12), nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        count = x.shape[0]
        x = x.reshape(count, 3, 3, 8, 5, 8).permute(0, 2, 4, 3, 5, 1).reshape(count, 15, 192)
        others = [tokens.expand(count, -1, -1) for tokens in [self.first, self.registers]]
        x = torch.cat([others[0], self.embed(x), others[1]], 1) + self.places
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head(self.norm2(x)[:, 0])


class Placed(nn.Module):
    """Makes a tensor on the device that it runs on."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        rows = torch.arange(x.shape[2], device=x.device).to(x)
        return (x.relu() * rows[:, None]).mean((2, 3))


class Quiet(nn.Module):
    """Runs a part without gradients, as an export has it, and one convolution's weights twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.one = nn.Conv2d(4, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1)
        self.two.weight = self.one.weight
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        with torch.set_grad_enabled(not torch.compiler.is_exporting()):
            x = self.conv(x)
            shifted = x + x.mean((2, 3), keepdim=True)
        with torch.autocast("cpu", enabled=False):
            x = self.two(torch.relu(self.one(x + shifted)))
        return self.fc(x.mean((2, 3)))


class Way(nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x.relu(), lambda x: 2 * x, (x,))


class Ways(nn.Module):
    def __init__(self):
        super().__init__()
        self.way = Way()

    def forward(self, x):
        return self.way(x).flatten(1)


class Alone(nn.Module):
    """Has no dimension of photos from the middle on."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.fc((x / x.amax()).mean((2, 3)).squeeze(0))


class Vector(nn.Module):
    """Takes no photo."""

    def forward(self, x, y):
        return x * y


def saved(name, program):
    save_without_traces(program, FOLDER / f"{name}.pt2")


def for_gpu(name):
    """As an export on a GPU says of every tensor where it was."""
    path = FOLDER / f"{name}.pt2"
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members:
            if info.filename.endswith(".json"):
                data = data.replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')
            archive.writestr(info, data)


def pixels(values, rows, columns):
    """pytorch-grad-cam's reshape_transform: the class token comes first, and registers last."""
    if values.ndim == 4:
        return values
    values = values[:, 1 : 1 + rows * columns]
    return values.reshape(len(values), rows, columns, -1).permute(0, 3, 1, 2)


def make(name, net, size, inner, maps, one_photo, grid=(3, 3), alone=False):
    net = with_formula_weights(net).eval()
    height, width = size if isinstance(size, tuple) else (size, size)
    x = torch.cat([formula_photo(height, width, n, -1, 1) for n in range(2)])
    if one_photo:
        saved(name, export(net, (x[:1],)))
    else:
        saved(name, export(net, (x,), dynamic_shapes=({0: Dim("batch", min=2, max=64)},)))
    net = net.double()
    x = x.double().requires_grad_()
    kept, attention = {}, []
    plain = F.scaled_dot_product_attention

    def noted(q, k, v, *rest, **options):
        attention.append(torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, -1))
        return plain(q, k, v, *rest, **options)

    def keep(path):
        return lambda module, inputs, output: kept.setdefault(path, []).append(output)

    for path in {*inner, maps} - {None}:
        net.get_submodule(path).register_forward_hook(keep(path))
    F.scaled_dot_product_attention = noted
    # Photo by photo, where the network is for a single one.
    output = torch.stack([net(photo[None]) for photo in x]) if alone else net(x)
    F.scaled_dot_product_attention = plain
    score = output[:, 1].sum()
    made = {"input": x, "output": output, "gradient": torch.autograd.grad(score, x, retain_graph=True)[0]}
    made |= {f"inner:{path}": torch.cat(kept[path]) for path in inner}
    if maps:
        gradient = torch.cat(torch.autograd.grad(score, kept[maps], retain_graph=True))
        gradient, values = pixels(gradient, *grid), pixels(torch.cat(kept[maps]), *grid)
        made[f"grad_cam:{maps}"] = (gradient.mean((2, 3), keepdim=True) * values).sum(1)
    if attention:
        made |= {f"attention:{n}": weights for n, weights in enumerate(attention)}
        rolled = torch.eye(attention[0].shape[-1])
        for weights in attention:
            rolled = (weights.mean(1) + torch.eye(weights.shape[-1])) / 2 @ rolled.to(weights)
        rows, columns = grid
        made["rollout"] = rolled[:, 0, 1 : 1 + rows * columns].reshape(-1, rows, columns)
    made = {key: value.detach().float().contiguous() for key, value in made.items()}
    save_file(made, FOLDER / f"{name}.safetensors")


def make_ends():
    """ends.pt2, ends.onnx and what becomes of two photos, of which the second has its own depth and numbers.

    image, depth, meta     the inputs; logits, aux: the outputs of the batch
    gradient:OUT:INPUT     of the score of OUT's class 1 (aux has one score) for the first photo with respect to INPUT
    grad_cam:OUT:LAYER     [h, w], as above; `against` that of the negated score
    integrated:OUT:INPUT   captum's integrated gradients, 20 steps from zeros, the other inputs held
    occlusion:OUT:INPUT    captum's, windows of 4 every 2 pixels, of `meta` each number by itself, the other inputs held
    """
    net = with_formula_weights(Ends()).eval()
    image = torch.cat([formula_photo(12, 12, n, -1, 1) for n in range(2)])
    depth = torch.cat([formula_photo(12, 12, n + 2, 0, 2)[:, :1] for n in range(2)])
    meta = torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0], [-0.5, 0.25, 1.0, 1.0, -2.0]])
    inputs = {"image": image, "depth": depth, "meta": meta}
    batch = Dim("batch", min=2, max=64)
    saved("ends", export(net, (), inputs, dynamic_shapes={name: {0: batch} for name in inputs}))
    torch.onnx.export(
        net, (image, depth, meta), FOLDER / "ends.onnx", dynamo=False, opset_version=17,
        input_names=list(inputs), output_names=["logits", "aux"],
        dynamic_axes={name: {0: "batch"} for name in [*inputs, "logits", "aux"]},
    )
    net = net.double()
    made = {**inputs, **net(*[tensor.double() for tensor in inputs.values()])}
    first = {name: tensor[:1].double().requires_grad_() for name, tensor in inputs.items()}
    kept = {}
    hooks = [getattr(net, f"relu{n}").register_forward_hook(lambda _, __, y, n=n: kept.__setitem__(f"relu{n}", y))
             for n in [1, 2, 3]]
    outputs = net(**first)
    [hook.remove() for hook in hooks]
    for out, unit, layers in [("logits", 1, ["relu1", "relu2", "relu3"]), ("aux", 0, ["relu1"])]:
        score = outputs[out][0, unit]
        of = [name for name in first if out == "logits" or name == "image"]
        gradients = torch.autograd.grad(score, [first[name] for name in of], retain_graph=True)
        made |= {f"gradient:{out}:{name}": gradient for name, gradient in zip(of, gradients)}
        for layer in layers:
            gradient = torch.autograd.grad(score, kept[layer], retain_graph=True)[0]
            cam = (gradient.mean((2, 3), keepdim=True) * kept[layer]).sum((0, 1))
            made |= {f"grad_cam:{out}:{layer}": cam}
        for name in of:
            # The other inputs have one value each, whatever the batch.
            def forward(x, name=name):
                others = {key: value.detach().expand(len(x), *value.shape[1:]) for key, value in first.items()}
                return net(**{**others, name: x})[out]
            x = first[name].detach()
            made[f"integrated:{out}:{name}"] = IntegratedGradients(forward).attribute(x, target=unit, n_steps=20)
            windows = dict(sliding_window_shapes=(x.shape[1], 4, 4), strides=(x.shape[1], 2, 2))
            made[f"occlusion:{out}:{name}"] = Occlusion(forward).attribute(
                x, target=unit, **(windows if x.ndim == 4 else dict(sliding_window_shapes=(1,))))
    made = {key: value.detach().float().contiguous() for key, value in made.items()}
    save_file(made, FOLDER / "ends.safetensors")


class Named(nn.Module):
    """A photo, and numbers that are called "input"."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(5, 2)

    def forward(self, image, input):
        return self.fc(torch.cat([self.conv(image).relu().mean((2, 3)), input], 1))


def make_named():
    """named.pt2, named.onnx."""
    net = with_formula_weights(Named()).eval()
    image, numbers = formula_photo(6, 6)[:, :1], torch.tensor([[1.0, -2.0, 0.5]])
    saved("named", export(net, (image, numbers)))
    torch.onnx.export(net, (image, numbers), FOLDER / "named.onnx", dynamo=False, opset_version=17,
                      input_names=["image", "input"], dynamic_axes={name: {0: "batch"} for name in ["image", "input"]})


def make_numbers():
    """numbers.pt2, numbers.onnx: a network of rows of six numbers, and what becomes of two.

    input, output          of the batch
    gradient, guided, integrated, occlusion, dark
                           of the score of class 1, each row by itself: captum's saliency with its sign, guided
                           backpropagation, integrated gradients in 20 steps from zeros, and occlusion of each number by
                           0 and by DARK
    """
    net = with_formula_weights(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))).eval()
    rows = torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0, 3.0], [-0.5, 0.25, 1.0, 1.0, -2.0, 0.125]])
    saved("numbers", export(net, (rows,), dynamic_shapes=({0: Dim("batch", min=2, max=64)},)))
    torch.onnx.export(
        net, (rows,), FOLDER / "numbers.onnx", dynamo=False, opset_version=17, input_names=["input"],
        dynamic_axes={"input": {0: "batch"}},
    )
    net, rows = net.double(), rows.double()
    one = dict(sliding_window_shapes=(1,), target=1)
    made = {
        "input": rows,
        "output": net(rows),
        "gradient": Saliency(net).attribute(rows, target=1, abs=False),
        "guided": GuidedBackprop(net).attribute(rows, target=1),
        "integrated": IntegratedGradients(net).attribute(rows, target=1, n_steps=20),
        "occlusion": Occlusion(net).attribute(rows, **one),
        "dark": Occlusion(net).attribute(rows, baselines=torch.tensor([DARK]).double(), **one),
    }
    save_file({key: value.detach().float().contiguous() for key, value in made.items()}, FOLDER / "numbers.safetensors")


class Detector(nn.Module):
    """Takes one photo without a batch, and scales it, as torchvision's detection networks do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, image):
        maps = self.conv(torch.stack([(image - 0.5) / 0.25])).relu()
        return self.fc(maps.mean((2, 3)))[0]


class Standardized(nn.Module):
    """A convolution whose weights are standardised by a batch norm, as networks without normalisation have it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gain = nn.Parameter(torch.ones(4))
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        weight = self.conv.weight
        flat = F.batch_norm(weight.reshape(1, 4, -1), None, None, weight=self.gain * 0.5, training=True, momentum=0.0, eps=1e-6)
        return self.fc(F.conv2d(x, flat.reshape_as(weight), self.conv.bias).relu().mean((2, 3)))


def make_standardized():
    """standardized.pt2, standardized.onnx: the input and the output."""
    net = with_formula_weights(Standardized()).eval()
    photos = torch.cat([formula_photo(9, 11, n, -1, 1) for n in range(2)])
    saved("standardized", export(net, (photos,), dynamic_shapes=({0: Dim("batch", min=2, max=64)},)))
    torch.onnx.export(net, (photos,), FOLDER / "standardized.onnx", dynamo=False, opset_version=17, input_names=["x"],
                      dynamic_axes={"x": {0: "batch"}})
    made = {"input": photos, "output": net(photos)}
    save_file({key: value.detach().float().contiguous() for key, value in made.items()}, FOLDER / "standardized.safetensors")


def make_unbatched():
    """unbatched.pt2, unbatched.onnx; input [2, 3, 9, 11] and the output of each of both by itself."""
    net = with_formula_weights(Detector()).eval()
    photos = torch.cat([formula_photo(9, 11, n, -1, 1) for n in range(2)])
    saved("unbatched", export(net, (photos[0],)))
    torch.onnx.export(net, (photos[0],), FOLDER / "unbatched.onnx", dynamo=False, opset_version=17,
                      input_names=["image"], output_names=["scores"])
    made = {"input": photos, "output": torch.stack([net(photo) for photo in photos])}
    save_file({key: value.detach().float().contiguous() for key, value in made.items()}, FOLDER / "unbatched.safetensors")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    residual = ["conv1", "layer1.0", "layer1.1.gate.fc2", "layer1.1.downsample"]
    make("residual", Residual(), 33, residual, "layer1", one_photo=True)
    make("odd", Odd(), 17, ["same", "up"], "up", one_photo=False)
    blocks = [CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)]
    convnext = ["features.1.0.block.0", "features.3", "classifier.0"]
    make("convnext", ConvNeXt(blocks, num_classes=5), 32, convnext, "features.3", one_photo=True)
    transformer = dict(image_size=24, patch_size=8, num_layers=2, num_heads=2, hidden_dim=12, mlp_dim=16, num_classes=5)
    layer = "encoder.layers.encoder_layer_1"
    inner = ["conv_proj", f"{layer}.ln_1", f"{layer}.mlp", "encoder.ln"]
    for name, one_photo in [("vit", False), ("vit_one_photo", True)]:
        make(name, VisionTransformer(**transformer), 24, inner, f"{layer}.ln_1", one_photo)
    make("registers", Registers(), (24, 40), ["norm1", "norm2"], "norm1", one_photo=False, grid=(3, 5))
    swin = SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=5)
    make("swin", swin, 24, ["features.1.1.norm1", "features.3.1.mlp.0", "norm"], None, one_photo=False)
    photo = formula_photo(8, 8)
    saved("unknown", export(with_formula_weights(Unknown()).eval(), (photo,)))
    make("gpu", Placed(), 12, ["conv"], "conv", one_photo=False)
    for_gpu("gpu")
    training = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    saved("training", export(with_formula_weights(training).train(), (photo,)))
    make("quiet", Quiet(), 12, ["conv", "one", "two"], "two", one_photo=True)
    make("alone", Alone(), 12, ["conv", "norm"], "conv", one_photo=True, alone=True)
    saved("ways", export(Ways(), (photo,)))
    tokens = torch.ones(1, 4, 2)
    saved("no_photo", export(Vector(), (tokens, tokens)))
    make_ends()
    make_named()
    make_numbers()
    make_unbatched()
    make_standardized()
