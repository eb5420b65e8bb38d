"""Make assets/own_network/: networks trained in Python on pictures of shapes, for notebooks 07 and 08.

    pip install -r tests/reference/requirements.txt onnxruntime
    python tests/reference/make_own_networks.py [PART..]

held_out/CLASS/         two pictures of each class, which no network was trained on
cnn.pt2, cnn.onnx       a convolutional network, as torch.export.save and torch.onnx.export write it
vit.pt2                 torchvision's vision transformer, small, with a convolutional stem
head.pth                a checkpoint of what is new in a SqueezeNet 1.1 for these classes: its last layer, trained on the
                        features of ../weights/squeezenet1_1.safetensors
detector.onnx           a small detector of the shapes in a picture of 160 × 160, whose output has the layout of YOLOv8's,
                        [N, 4 + classes, rows]
several.png             a picture with five shapes, which it was not trained on

PART is pictures, cnn, vit, head or detector; all of them take about half an hour of a processor. `draw` makes pictures
from a seed: 64 × 64, a ground of noise and stripes, strokes and dots, and one circle, square, star or triangle. Kinds
differ in nothing but their shape: areas, colours, places and turns are drawn from the same distributions. cnn, vit and
detector take values in [0, 1].

Training begins on plain grounds, which become what they are in its first 40 %; each batch is turned or mirrored, and
its colours are swapped or inverted. The transformer learns, beside the class of a picture, which class each of its
patches is of, by a layer that is then thrown away. Nothing else is told where the object is.
"""

import math
import sys
import zipfile
from functools import cache
from pathlib import Path

import onnxruntime
import torch
import torch.nn.functional as F
from exports import save_without_traces
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.export import Dim, export
from torchvision.models import squeezenet1_1
from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer

ASSETS = Path(__file__).resolve().parents[2] / "assets"
FOLDER = ASSETS / "own_network"
CLASSES = ["circle", "square", "star", "triangle"]
SIDE = 64
TRAINING, EXAM, SAMPLES = 1000, 9000, 9999  # seeds


def draw(count, seed):
    """Pictures [count, 3, 64, 64] in [0, 1], the classes, and how much of each pixel is the object's."""
    pictures, (kinds,), (cover,) = draw_several(count, seed, SIDE, 1)
    return pictures, kinds, cover


def draw_several(count, seed, side, objects):
    """The same with so many objects, of which later ones may hide a part of those before."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def over(pictures, colour, cover):
        return pictures + cover[:, None] * (colour - pictures)

    def noise(strength, cells):
        return F.interpolate(uniform(-1, 1, 3, cells, cells) * strength, size=(side, side), mode="bilinear")

    def strokes(pictures, number):
        for _ in range(number):
            turn = uniform(0, math.pi, 1, 1)
            along, across = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
            bend = uniform(1, 5, 1, 1) * torch.sin(uniform(0.05, 0.3, 1, 1) * along + uniform(0, 6, 1, 1))
            off = (across - bend - uniform(-30, 60, 1, 1)).abs()
            pictures = over(pictures, uniform(0, 1, 3, 1, 1), (uniform(1.1, 1.8, 1, 1) - off).clamp(0, 1))
        return pictures

    def dots(pictures, number):
        for _ in range(number):
            off = torch.hypot(x - uniform(0, side, 1, 1), y - uniform(0, side, 1, 1))
            pictures = over(pictures, uniform(0, 1, 3, 1, 1), (uniform(1.3, 3.1, 1, 1) - off).clamp(0, 1))
        return pictures

    ground = uniform(0.2, 0.8, 3, 1, 1).expand(-1, -1, side, side)
    for cells, strength in [(3, 0.22), (7, 0.16), (16, 0.14), (32, 0.1)]:
        ground = ground + noise(uniform(0, strength, 1, 1, 1), cells)
    turn = uniform(0, math.pi, 1, 1)
    stripes = torch.sin(uniform(0.4, 1.6, 1, 1) * (x * turn.cos() + y * turn.sin()) + uniform(0, 6, 1, 1))
    pictures = dots(strokes(ground + stripes[:, None] * uniform(-0.12, 0.12, 3, 1, 1), 3), 8)

    all_kinds, covers = [], []
    for _ in range(objects):
        # Distances from each shape's edge, negative within it; `inner` is where a star's sides meet.
        kinds, each = torch.randint(4, (count,), generator=generator), torch.arange(count)
        inner = 0.42
        areas = torch.tensor([math.pi, 2, 5 * inner * math.sin(math.pi / 5), 3 * 3**0.5 / 4])
        radius = (uniform(220, 480, 1, 1) / areas[kinds][:, None, None]).sqrt()
        dx, dy = (axis - radius - 3 - uniform(0, 1, 1, 1) * (side - 6 - 2 * radius) for axis in [x, y])
        far, angle = torch.hypot(dx, dy), torch.atan2(dy, dx) + uniform(0, 2 * math.pi, 1, 1)

        def from_side(corners):
            step = 2 * math.pi / corners
            return (angle % step - step / 2).abs()

        def polygon(corners):
            return far * from_side(corners).cos() - radius * math.cos(math.pi / corners)

        tip = math.pi / 5 - from_side(5)
        edge = inner * math.cos(math.pi / 5) - 1, inner * math.sin(math.pi / 5)
        star = (edge[1] * (far * tip.cos() - radius) - edge[0] * far * tip.sin()) / math.hypot(*edge)
        cover = torch.stack([far - radius, polygon(4), star, polygon(3)], 1)[each, kinds]
        cover = (0.5 - cover).clamp(0, 1)

        # Of eight colours the one that is farthest from the ground's.
        colours = torch.rand(count, 8, 3, generator=generator)
        colour = colours[each, (colours - ground.mean((2, 3))[:, None]).norm(dim=2).argmax(1)][:, :, None, None]
        shade = uniform(-0.008, 0.008, 1, 1, 1) * dx[:, None] + uniform(-0.008, 0.008, 1, 1, 1) * dy[:, None]
        pictures = over(pictures, colour + shade + noise(0.07, 24), cover)
        all_kinds.append(kinds)
        covers.append(cover)
    pictures = dots(strokes(pictures, 1), 2)
    return (pictures.clamp(0, 1) * 255).round() / 255, all_kinds, covers


@cache
def many(count, seed):
    """A hundred from each seed."""
    return [torch.cat(parts) for parts in zip(*[draw(100, seed + n) for n in range(count // 100)])]


class ShapeNet(nn.Module):
    """Four convolutions, and the mean of the last one's maps."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, stride=2, padding=2, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(12), nn.ReLU()
        self.conv2 = nn.Conv2d(12, 20, 3, padding=1, bias=False)
        self.bn2, self.relu2, self.pool = nn.BatchNorm2d(20), nn.ReLU(), nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(20, 24, 3, padding=1, bias=False)
        self.bn3, self.relu3 = nn.BatchNorm2d(24), nn.ReLU()
        self.conv4 = nn.Conv2d(24, 32, 3, padding=1, bias=False)
        self.bn4, self.relu4 = nn.BatchNorm2d(32), nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, len(CLASSES))

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.pool(self.relu2(self.bn2(self.conv2(x))))
        x = self.relu3(self.bn3(self.conv3(x)))
        x = self.relu4(self.bn4(self.conv4(x)))
        return self.fc(self.avgpool(x).flatten(1))


def small_vit():
    stem = [ConvStemConfig(channels, 3, 2) for channels in [12, 24, 48]]
    return VisionTransformer(SIDE, 8, num_layers=4, num_heads=3, hidden_dim=48, mlp_dim=96,
                             num_classes=len(CLASSES), conv_stem_configs=stem)


def varied(pictures, covers, clutter, generator):
    flip, invert = torch.rand(2, generator=generator) < 0.5
    if flip:
        pictures, covers = pictures.flip(3), covers.flip(2)
    quarters = int(torch.randint(4, (), generator=generator))
    pictures, covers = pictures.rot90(quarters, (2, 3)), covers.rot90(quarters, (1, 2))
    pictures = pictures[:, torch.randperm(3, generator=generator)]
    if invert:
        pictures = 1 - pictures
    plain = pictures.mean((2, 3), keepdim=True)
    return torch.where(covers[:, None] > 0, pictures, plain + clutter * (pictures - plain)), covers


def train(net, loss, parameters, rate, epochs, batch=64):
    pictures, kinds, covers = many(6000, TRAINING)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.05)
    steps = epochs * (len(kinds) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    step = 0
    for epoch in range(epochs):
        net.train()
        for chosen in torch.randperm(len(kinds), generator=generator).split(batch)[: len(kinds) // batch]:
            clutter = min(1, step / (0.4 * steps))
            x, cover = varied(pictures[chosen], covers[chosen], clutter, generator)
            value = loss(x, kinds[chosen], cover)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(parameters, 1)
            optimizer.step()
            schedule.step()
            step += 1
        print(f"epoch {epoch}: loss {value:.3f}, right {exam(net):.1%}", flush=True)


@torch.no_grad()
def exam(net):
    """How many of 2000 new pictures are recognised."""
    pictures, kinds, _ = many(2000, EXAM)
    net.eval()
    answers = torch.cat([net(part).argmax(1) for part in pictures.split(250)])
    return float((answers == kinds).double().mean())


def samples():
    """The first two pictures of each class."""
    pictures, kinds, _ = draw(40, SAMPLES)
    return [(name, n + 1, pictures[at]) for kind, name in enumerate(CLASSES)
            for n, at in enumerate((kinds == kind).nonzero().flatten()[:2])]


def saved(name, net):
    """As .pt2, for any number of photos. What is text in the archive is compressed, and the example left out."""
    net.eval()
    example = torch.stack([picture for *_, picture in samples()])
    program = export(net, (example,), dynamic_shapes=({0: Dim("batch", min=1, max=1024)},))
    program.example_inputs = None
    path = FOLDER / f"{name}.pt2"
    save_without_traces(program, path)
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members:
            text = info.filename.endswith(".json")
            archive.writestr(info, data, zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED, 9)
    again = torch.export.load(path).module()
    for x in [example, example[:1]]:
        torch.testing.assert_close(again(x), net(x), rtol=1e-5, atol=1e-5)
    return example


def saved_onnx(name, net, example, output):
    """For any number of photos."""
    path = FOLDER / f"{name}.onnx"
    torch.onnx.export(net, (example,), path, dynamo=False, opset_version=17, input_names=["photo"],
                      output_names=[output], dynamic_axes={name: {0: "batch"} for name in ["photo", output]})
    again = onnxruntime.InferenceSession(path).run(None, {"photo": example.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(again), net(example), rtol=1e-4, atol=1e-4)


def save_picture(picture, path):
    pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path, optimize=True)


def make_pictures():
    for name, n, picture in samples():
        folder = FOLDER / "held_out" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_picture(picture, folder / f"{name}_{n}.png")


def make_cnn():
    torch.manual_seed(0)
    net = ShapeNet()
    train(net, lambda x, kinds, _: F.cross_entropy(net(x), kinds), list(net.parameters()), 5e-3, epochs=16)
    saved_onnx("cnn", net, saved("cnn", net), "scores")


def make_vit():
    torch.manual_seed(0)
    net = small_vit()
    of_patches = nn.Linear(48, 1 + len(CLASSES))

    def loss(x, kinds, cover):
        tokens = net._process_input(x)
        tokens = net.encoder(torch.cat([net.class_token.expand(len(x), -1, -1), tokens], 1))
        shares = F.avg_pool2d(cover[:, None], 8).flatten(1)
        truth = torch.where(shares > 0.3, kinds[:, None] + 1, 0)
        patches = F.cross_entropy(of_patches(tokens[:, 1:]).flatten(0, 1), truth.flatten())
        return F.cross_entropy(net.heads(tokens[:, 0]), kinds) + patches

    train(net, loss, [*net.parameters(), *of_patches.parameters()], 2e-3, epochs=28)
    saved("vit", net)


def make_head():
    """A new last layer on SqueezeNet 1.1 as it is, for pictures as torchvision prepares photos for it."""
    torch.manual_seed(0)
    net = squeezenet1_1()
    weights = load_file(ASSETS / "weights" / "squeezenet1_1.safetensors")
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    net.eval().requires_grad_(False)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

    @torch.no_grad()
    def features(count, seed):
        pictures, kinds, _ = many(count, seed)
        found = []
        for part in pictures.split(50):
            part = F.interpolate(part, size=(256, 256), mode="bilinear")[:, :, 16:240, 16:240]
            found.append(net.features((part - mean) / deviation).half())
        return torch.cat(found), kinds

    head = nn.Conv2d(512, len(CLASSES), 1)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, 0.5)

    def scores(maps):
        return torch.relu(head(maps)).mean((2, 3))

    maps, kinds = features(2000, TRAINING)
    epochs, batch = 30, 50
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * (len(kinds) // batch))
    for _ in range(epochs):
        for chosen in torch.randperm(len(kinds)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(scores(F.dropout(maps[chosen].float(), 0.3)), kinds[chosen]).backward()
            optimizer.step()
            schedule.step()
    maps, kinds = features(500, EXAM)
    with torch.no_grad():
        right = (scores(maps.float()).argmax(1) == kinds).double().mean()
    print(f"head: right {right:.1%}")
    checkpoint = {
        "state_dict": {f"classifier.1.{name}": value.detach() for name, value in head.state_dict().items()},
        "class_to_idx": {name: n for n, name in enumerate(CLASSES)},
    }
    torch.save(checkpoint, FOLDER / "head.pth")


class Detector(nn.Module):
    """Six convolutions, down to an eighth of the sides. Each cell there puts out a box and a score for each class."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential()
        before = 3
        for n, (channels, kernel, stride, dilation) in enumerate(DETECTOR, 1):
            padding = dilation * (kernel // 2)
            self.layers.add_module(f"conv{n}", nn.Conv2d(before, channels, kernel, stride, padding, dilation, bias=False))
            self.layers.add_module(f"bn{n}", nn.BatchNorm2d(channels))
            self.layers.add_module(f"relu{n}", nn.ReLU())
            before = channels
        self.head = nn.Conv2d(before, 4 + len(CLASSES), 1)
        nn.init.constant_(self.head.bias[4:], -4.0)
        centres = (torch.arange(LARGE // CELL) + 0.5) * CELL
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer("centres", torch.stack([x.flatten(), y.flatten()]), persistent=False)

    def raw(self, x):
        """Boxes [N, 4, rows], centre and size in pixels, and classes [N, classes, rows] before the sigmoid."""
        found = self.head(self.layers(x)).flatten(2)
        centres = found[:, :2] * CELL + self.centres
        return torch.cat([centres, found[:, 2:4].exp() * 3 * CELL], 1), found[:, 4:]

    def forward(self, x):
        boxes, classes = self.raw(x)
        return torch.cat([boxes, classes.sigmoid()], 1)


LARGE, CELL, OBJECTS = 160, 8, 5
DETECTOR = [(12, 5, 2, 1), (20, 3, 2, 1), (24, 3, 1, 1), (32, 3, 2, 1), (32, 3, 1, 1), (32, 3, 1, 2)]


def boxes_of(covers):
    """Of objects that cover these pixels, [N, H, W]: left, top, right and bottom, [N, 4]."""
    seen = covers > 0.5
    places = torch.arange(covers.shape[1])
    edges = []
    for line in [seen.any(1), seen.any(2)]:
        first = torch.where(line, places, 10**6).amin(1)
        last = torch.where(line, places + 1, 0).amax(1)
        edges.append((first, last))
    (left, right), (top, bottom) = edges
    return torch.stack([left, top, right, bottom], 1).float()


def mirrored(corners, axis):
    """Boxes in a picture that is mirrored from left to right, axis 0, or top to bottom, 1."""
    corners = corners.clone()
    corners[..., axis::2] = LARGE - corners[..., axis::2].flip(-1)
    return corners


def make_detector():
    torch.manual_seed(0)
    net = Detector()
    parts = [draw_several(100, TRAINING + n, LARGE, OBJECTS) for n in range(24)]
    pictures = torch.cat([part[0] for part in parts])
    kinds = torch.cat([torch.stack(part[1], 1) for part in parts])  # [N, objects]
    boxes = torch.cat([torch.stack([boxes_of(cover) for cover in part[2]], 1) for part in parts])  # [N, objects, 4]
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    epochs, batch = 30, 16
    steps = epochs * (len(kinds) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps, pct_start=0.15)
    for epoch in range(epochs):
        net.train()
        for chosen in torch.randperm(len(kinds), generator=generator).split(batch):
            x, corners, classes = pictures[chosen], boxes[chosen], kinds[chosen]
            for axis in [0, 1]:
                if torch.rand((), generator=generator) < 0.5:
                    x, corners = x.flip(3 - axis), mirrored(corners, axis)
            x = x[:, torch.randperm(3, generator=generator)]
            found, scores = net.raw(x)
            # A cell has the object whose middle lies within it or a cell beside it, of several the nearest.
            middle = (corners[..., :2] + corners[..., 2:]) / 2
            away = (middle[..., None] - net.centres).abs().amax(2)  # [N, objects, rows]
            nearest, which = away.min(1)
            has = nearest < 0.8 * CELL
            truth = torch.zeros_like(scores)
            truth.scatter_(1, classes.gather(1, which)[:, None], has[:, None].float())
            # Focal: what is known already weighs little.
            p = scores.sigmoid()
            weight = (truth - p).abs() ** 2
            of_classes = (weight * F.binary_cross_entropy_with_logits(scores, truth, reduction="none")).sum() / has.sum()
            wanted = corners.gather(1, which[..., None].expand(-1, -1, 4)).transpose(1, 2)
            wanted = torch.cat([(wanted[:, :2] + wanted[:, 2:]) / 2, wanted[:, 2:] - wanted[:, :2]], 1)
            of_boxes = (found - wanted).abs().sum(1)[has].mean() / CELL
            value = of_classes + 0.5 * of_boxes
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5)
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}: loss {value:.3f}", flush=True)
    net.eval()
    print(f"detector: of {found_of(net)}")
    pictures, *_ = draw_several(40, SAMPLES, LARGE, OBJECTS)
    save_picture(pictures[0], FOLDER / "several.png")
    saved_onnx("detector", net, pictures[:1], "boxes")


@torch.no_grad()
def found_of(net):
    """How many objects of new pictures are found: a row of the right class scores over 0.5 whose box overlaps the object's by half."""
    right = all_objects = 0
    for seed in range(EXAM, EXAM + 4):
        pictures, kinds, covers = draw_several(50, seed, LARGE, OBJECTS)
        rows = net(pictures)
        low, high = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
        for kind, cover in zip(kinds, covers):
            box = boxes_of(cover)[..., None]
            common = (torch.minimum(high, box[:, 2:]) - torch.maximum(low, box[:, :2])).clamp(0).prod(1)
            union = rows[:, 2:4].prod(1) + (box[:, 2:] - box[:, :2]).prod(1) - common
            scores = rows[:, 4:].gather(1, kind[:, None, None].expand(-1, -1, rows.shape[2]))[:, 0]
            right += int(((scores > 0.5) & (common / union > 0.5)).any(1).sum())
            all_objects += len(kind)
    return f"{all_objects} objects {right} are found"


PARTS = {"pictures": make_pictures, "cnn": make_cnn, "vit": make_vit, "head": make_head, "detector": make_detector}

if __name__ == "__main__":
    # Sums in the order of one thread, whatever the machine.
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
