"""Make tests/reference/feature_vis/: pictures that excite a small network, as the peers make them.

    pip install -r tests/reference/requirements.txt
    pip install --no-deps torch-lucent==0.1.8
    python tests/reference/make_feature_vis.py

Peers: the loops of *Visualizing Convolutional Layers in a Trained VGG Network* (plain_ascent) and of J.
Shin's *FeatureMapVisualizer* (multiscale) in PyTorch, written anew from their text, and torch-lucent (L) for
frequencies, colours, transforms and objectives. The network is `Small` below, its weights are those of
formula.py. As in torchvision's VGG its rectifiers work in place: a hook on a convolution that keeps a
view of the output therefore sees the *rectified* map, which the script asserts. On the Rust side that is
the layer behind it.

Everything runs in double precision where the peer allows it (L makes its scale and colours in single)
and once more in single; the script asserts that pictures after some steps differ by less than 1e-5,
which is what Adam makes of rounding: it divides each gradient by its own size. A test may therefore ask
for 5e-5 of them, and for 1e-5 of the greatest value where nothing is iterated.

start                       [1, 3, 24, 24], values u of parameter 90 of formula.py, times 0.25
plain_ascent/CHANNEL        [3, 24, 24], the input after 30 steps of Adam at 0.01 from `start`, loss
                            mean((a - max(a)^2)^2) of channel CHANNEL of features.5 (rectified)
plain_ascent/CHANNEL/losses [30], before each step
multiscale                  [3, 16, 16]: from (150 + 30 (u + 1) / 2) / 255 of parameter 91, [3, 12, 12],
                            5 steps of Adam at 0.2, weight decay 1e-6, at each of the sizes 12, 14, 16
                            (int(1.2 n)), OpenCV's cubic resize between them, sigmoid into the network,
                            loss -mean(a), channel 3 of features.7 (rectified); sigmoid of the values
multiscale/losses           [15]
fourier_W/start             L's fft_image of `start` at H x W = 20 x W for W = 24 and 23: its picture
                            (colours decorrelated, sigmoid)
fourier_W/picture           after 12 steps of Adam at 0.05, objective channel 4 of features.7, normalised
                            with ImageNet's statistics, no transforms; H = 20
gradient/NAME               [3, 20, 24]: of the objective NAME by the input photo (formula_photo, -2 to
                            2) at features.8: neuron (channel 3, the
                            middle of the 10 x 12 map, which L by itself takes at row 6 and column 5), layer (mean of squares), direction, direction_cosine, class,
                            sum (class 1 minus half of channel 2 of features.8)
gradient/diversity          [3, 3, 20, 24], of L's diversity at features.8, photos 0 to 2
regularizer/NAME            [3, 20, 24]: gradient of total_variation, l1, l2 (m = 0), blur (L) by photo 0
transform/NAME              of photo 0 between 0 and 1: pad_5, scale_1.1, scale_0.9 (L pads it with
                            zeros; they are cut off again), rotate_7, rotate_-10
"""

import json
import warnings
from pathlib import Path

import cv2
import kornia
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from formula import formula_photo, formula_values, with_formula_weights

warnings.filterwarnings("ignore")
from lucent.optvis import objectives, transform  # noqa: E402
from lucent.optvis.param.color import to_valid_rgb  # noqa: E402
from lucent.optvis.param.spatial import fft_image, rfft2d_freqs  # noqa: E402

# They have moved since L was written.
kornia.get_rotation_matrix2d = kornia.geometry.transform.get_rotation_matrix2d
kornia.warp_affine = kornia.geometry.transform.warp_affine

OUT = Path(__file__).resolve().parent / "feature_vis"
DIRECTION = [float(v) for v in np.float32(formula_values(12, 92))]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class Small(nn.Module):
    """[N, 3, 24, 24] -> [N, 6]"""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(12, 12, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(12, 6)

    def forward(self, x):
        return self.fc(self.avgpool(self.features(x)).flatten(1))


def network(kind):
    net = with_formula_weights(Small()).eval().to(kind)
    for parameter in net.parameters():
        parameter.requires_grad = False
    return net


def noise(shape, parameter):
    return torch.from_numpy(formula_values(int(np.prod(shape)), parameter).astype(np.float32)).reshape(shape)


def hooked(net, layer, seen):
    return net.features[layer].register_forward_hook(lambda m, i, output: seen.__setitem__("map", output.squeeze()))


def plain_ascent(kind, start, channel, steps=30):
    net, seen = network(kind), {}
    hooked(net, 5, seen)
    target = start.clone().to(kind).requires_grad_(True)
    optimizer = torch.optim.Adam([target], lr=0.01)
    losses = []
    for _ in range(steps):
        net.forward(target)
        output = seen["map"][channel]
        assert (output >= 0).all(), "the hook sees the rectified map"
        out = output.detach()
        expected = np.full(tuple(out.size()), float(torch.max(out))) ** 2
        loss = torch.mean((output - torch.from_numpy(expected)) ** 2)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return target.detach()[0], torch.tensor(losses)


def multiscale(kind, sizes=3, steps=5):
    net, seen = network(kind), {}
    hooked(net, 7, seen)
    side = 12
    values = (150 + 30 * (noise([3, side, side], 91) + 1) / 2) / 255
    losses = []
    for size in range(sizes):
        image = values.clone()[None].to(kind).requires_grad_(True)
        optimizer = torch.optim.Adam([image], lr=0.2, weight_decay=1e-6)
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.sigmoid(image))
            loss = -seen["map"][3].mean()
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
        if size < sizes - 1:
            side = int(1.2 * side)
            plain = image.detach().numpy()[0].transpose(1, 2, 0)
            values = torch.from_numpy(cv2.resize(plain, (side, side), interpolation=cv2.INTER_CUBIC).transpose(2, 0, 1))
    return torch.sigmoid(image).detach()[0], torch.tensor(losses)


def fourier(kind, width, steps=12):
    """L's parametrisation from known values; the rest of its render_vis, without transforms."""
    net, seen = network(torch.float32), {}
    hooked(net, 7, seen)
    height = 20
    values = noise([1, 3, height, width], 90) * 0.25
    (spectrum,), image = fft_image([1, 3, height, width])
    frequencies = rfft2d_freqs(height, width)
    scale = torch.tensor(1 / np.maximum(frequencies, 1 / max(width, height))).float()
    found = torch.view_as_real(torch.fft.rfft2(4 * values, norm="ortho"))
    with torch.no_grad():
        spectrum.zero_()  # of an odd width there is a column that is never seen
        columns = found.shape[3]
        spectrum[..., :columns, :] = found / scale[:, :columns, None]
    picture = to_valid_rgb(image, decorrelate=True)
    first = picture().detach()[0]
    optimizer = torch.optim.Adam([spectrum], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        net((picture() - MEAN[:, None, None]) / STD[:, None, None])
        loss = objectives.channel("map", 4)(lambda _: seen["map"][None])
        loss.backward()
        optimizer.step()
    return first, picture().detach()[0]


def gradients(kind):
    net = network(kind)
    photo = lambda n: formula_photo(20, 24, n, -2, 2).to(kind)
    direction = torch.tensor(DIRECTION, dtype=kind)

    def by_input(objective, *photos):
        x = torch.cat([photo(n) for n in photos]).requires_grad_(True)
        maps = net.features(x)
        value = objective(lambda layer: {"maps": maps, "scores": net.fc(net.avgpool(maps).flatten(1))}[layer])
        return torch.autograd.grad(value, x)[0]

    names = {
        "neuron": -objectives.neuron("maps", 3, x=6, y=5),
        "layer": lambda T: (T("maps") ** 2).mean(),
        "direction": lambda T: (T("maps") * direction[None, :, None, None]).sum(1).mean(),
        "direction_cosine": -objectives.direction("maps", direction),
        "class": lambda T: T("scores")[:, 1].sum(),
        "sum": lambda T: T("scores")[:, 1].sum() - 0.5 * T("maps")[:, 2].mean(),
    }
    found = {f"gradient/{name}": by_input(objective, 0)[0] for name, objective in names.items()}
    found["gradient/diversity"] = by_input(-objectives.diversity("maps"), 0, 1, 2)

    x = photo(0).requires_grad_(True)
    down, across = x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]
    terms = {
        "total_variation": down.abs().sum() + across.abs().sum(),
        "l1": x.abs().sum(),
        "l2": (1e-6 + (x**2).sum()).sqrt(),
    }
    for name, term in terms.items():
        found[f"regularizer/{name}"] = torch.autograd.grad(term, x, retain_graph=True)[0][0]
    x = photo(0).float().requires_grad_(True)
    blur = -objectives.blur_input_each_step()(lambda _: x)
    found["regularizer/blur"] = torch.autograd.grad(blur, x)[0][0]
    return found


def transforms():
    photo = formula_photo(20, 24, 0)
    square = formula_photo(24, 24, 0)  # L pads by the other side's measure
    found = {
        "pad_5": transform.pad(5, mode="constant", constant_value=0.5)(photo),
        "scale_1.1": transform.random_scale([1.1])(photo),
        "rotate_7": transform.random_rotate([7])(photo),
        "rotate_-10": transform.random_rotate([-10])(photo),
    }
    small = transform.random_scale([0.9])(square)
    assert small.shape[-1] == 24 and (small[..., 0] == 0).all() and (small[..., 1] != 0).any()
    found["scale_0.9"] = small[..., 1:-1, 1:-1]
    return {f"transform/{name}": picture[0] for name, picture in found.items()}


def everything(kind):
    start = noise([1, 3, 24, 24], 90) * 0.25
    found = {"start": start[0]}
    for channel in CHANNELS:
        found[f"plain_ascent/{channel}"], found[f"plain_ascent/{channel}/losses"] = plain_ascent(kind, start, channel)
    found["multiscale"], found["multiscale/losses"] = multiscale(kind)
    for width in [24, 23]:
        found[f"fourier_{width}/start"], found[f"fourier_{width}/picture"] = fourier(kind, width)
    return found | gradients(kind) | transforms()


CHANNELS = [1, 2, 5]


def main():
    double, single = everything(torch.float64), everything(torch.float32)
    for name, values in double.items():
        apart = (values - single[name]).abs().max() / (values.abs().max() if "losses" in name or "gradient" in name else 1)
        print(f"{name:32} {list(values.shape)!s:16} greatest {values.abs().max():.4f} apart {apart:.1e}")
        assert apart < (1e-5 if name.startswith("article") else 5e-6), name
    OUT.mkdir(exist_ok=True)
    index = {"small": {"channels": CHANNELS, "direction": DIRECTION}}
    (OUT / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    save_file({name: values.float().contiguous() for name, values in double.items()}, OUT / "small.safetensors")


if __name__ == "__main__":
    main()
