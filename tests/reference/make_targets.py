"""Make tests/reference/targets/: boxes, likeness, numbers and LeGrad as their peers compute them.

    pip install -r tests/reference/requirements.txt
    pip install --no-deps ultralytics==8.4.190 legrad_torch==1.1 open-clip-torch==2.23.0 einops ftfy wcwidth regex
    python tests/reference/make_targets.py

targets.safetensors, all in double precision and rounded to float32:

nms/boxes, nms/scores, nms/kept     [n, 4] corners, [n, 3] scores, and the places that torchvision's batched_nms keeps of
                                    scores above 0.6 at an overlap of 0.5, best first
yolo/found                          [n, 6] corners, score and class of onnx/yolo.npz's first output, by ultralytics'
                                    non_max_suppression at an overlap of 0.45, scores above yolo/confidence; those of an
                                    untrained network are all small
yolo/grad_cam                       [h, w] pytorch-grad-cam's, for the best of these boxes at model.4
yolo5/found, yolo5/rows             the same of that output as YOLOv5 has it, yolo5/rows: rows first, with objectness,
                                    and scores of classes 2,000 times as large; above 0.3
faster/score, faster/grad_cam       FasterRCNNBoxScoreTarget for the first box that `boxes` below makes of Residual's logits,
                                    at block2; faster/other: its score for photo 1
likeness/score, likeness/grad_cam   the tutorial's SimilarityToConceptTarget of photo 0 with photo 1, at the embedding
                                    before Residual's last layer, at block1
number/grad_cam                     pytorch-grad-cam's for minus logit 2 of Residual, at block2
legrad/map, legrad/last             [side, side] legrad_torch's of all layers, and of the last one, from 0 to 1
legrad/text                         the embedding that it compares with

legrad.pt2 is the network of the last: open_clip's vision transformer, which pools the mean of all its tokens.
"""

import os
from pathlib import Path

os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}

import numpy as np
import torch
from formula import formula_photo, formula_values, with_formula_weights
from legrad.wrapper import LeWrapper
from make_yolo import yolo_network
from method_networks import Residual
from open_clip.transformer import VisionTransformer
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import BinaryClassifierOutputTarget, FasterRCNNBoxScoreTarget
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim, export
from torchvision.ops import batched_nms
from ultralytics.utils.nms import non_max_suppression

from exports import save_without_traces

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "targets"
SIDE = 32


class Raw(GradCAM):
    """Grad-CAM before its ReLU and scaling."""

    def compute_cam_per_layer(self, input_tensor, targets, eigen_smooth):
        (layer,) = self.target_layers
        activations = self.activations_and_grads.activations[-1].numpy()
        gradients = self.activations_and_grads.gradients[-1].numpy()
        self.raw = self.get_cam_image(input_tensor, layer, targets, activations, gradients, eigen_smooth)
        return super().compute_cam_per_layer(input_tensor, targets, eigen_smooth)


def grad_cam(net, layer, photo, target):
    with Raw(net, [layer]) as cam:
        cam(photo, targets=[target])
    return torch.from_numpy(cam.raw[0])


def nms():
    u = torch.from_numpy(formula_values(60 * 4, 0)).reshape(60, 4)
    middle, size = 32 + 12 * u[:, :2], 14 + 6 * u[:, 2:]
    boxes = torch.cat([middle - size / 2, middle + size / 2], 1).float()
    scores = (0.5 + 0.5 * torch.from_numpy(formula_values(60 * 3, 1)).reshape(60, 3)).float()
    best, classes = scores.max(1)
    places = torch.nonzero(best > 0.6)[:, 0]
    kept = places[batched_nms(boxes[places].double(), best[places].double(), classes[places], 0.5)]
    assert 5 < len(kept) < len(places) < 60, (len(kept), len(places))
    return {"nms/boxes": boxes, "nms/scores": scores, "nms/kept": kept}


def yolo():
    stored = np.load(HERE / "onnx" / "yolo.npz")
    photo = torch.from_numpy(stored["input"][:1]).double()
    output = torch.from_numpy(stored["output"][:1])
    net = yolo_network().double()
    head = net.model[-1]
    head.export, head.format = True, "onnx"
    assert (net(photo) - output).abs().max() < 1e-3 * output.abs().max()
    # In the widest gap between two scores, so that rounding decides nothing.
    scores = output[0, 4:].amax(0).sort(descending=True)[0][20:41]
    gap = (scores[:-1] - scores[1:]).argmax()
    confidence = scores[gap : gap + 2].mean().item()
    # It writes to what it gets.
    (found,) = non_max_suppression(output.clone(), confidence, 0.45)
    assert 2 <= len(found) < 21, len(found)
    best = output[0, 4:].amax(0).argmax()
    category = output[0, 4:, best].argmax()
    map = grad_cam(net, net.model[4], photo, lambda output: output[4 + category, best])
    sure = 0.5 + 0.5 * torch.from_numpy(formula_values(output.shape[2], 2)).float()
    rows = torch.cat([output[:, :4], sure[None, None], 2000 * output[:, 4:]], 1).transpose(1, 2)
    scores = rows[..., 5:] * rows[..., 4:5]
    as_now = torch.cat([rows[..., :4], scores], 2).transpose(1, 2)
    (with_objectness,) = non_max_suppression(as_now, 0.3, 0.45)
    assert len(with_objectness) > 1
    found = {"yolo/found": found, "yolo/confidence": torch.tensor(confidence)}
    return found | {"yolo/grad_cam": map, "yolo5/rows": rows, "yolo5/found": with_objectness}


def boxes(logits):
    """Two boxes of 16 pixels, moved by four logits, with scores of two classes each."""
    start = torch.tensor([[2.0, 3.0, 18.0, 19.0], [10.0, 12.0, 26.0, 28.0]], dtype=logits.dtype)
    moved = start + logits[:4].tanh().repeat(2, 1)
    return moved, torch.stack([logits[:2], logits[4:6]]).sigmoid()


class Boxed(nn.Module):
    """What torchvision's Faster R-CNN returns."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        def found(logits):
            corners, scores = boxes(logits)
            scores, labels = scores.max(1)
            return {"boxes": corners, "labels": labels, "scores": scores}

        return [found(logits) for logits in self.net(x)]


class Similarity:
    """SimilarityToConceptTarget of pytorch-grad-cam's tutorial on embeddings."""

    def __init__(self, features):
        self.features = features

    def __call__(self, output):
        return nn.CosineSimilarity(dim=0)(output, self.features)


def of_residual():
    net = with_formula_weights(Residual()).double().eval()
    first, second = (formula_photo(32, 32, n, -1, 1).double() for n in range(2))
    boxed = Boxed(net)
    with torch.no_grad():
        found = boxed(first)[0]
    target = FasterRCNNBoxScoreTarget(found["labels"][:1], found["boxes"][:1])
    made = {
        "faster/score": target(boxed(first)[0]),
        "faster/other": target(boxed(second)[0]),
        "faster/grad_cam": grad_cam(boxed, net.block2, first, target),
        "number/grad_cam": grad_cam(net, net.block2, first, lambda y: BinaryClassifierOutputTarget(0)(y[2])),
    }
    net.fc = nn.Identity()
    with torch.no_grad():
        like = Similarity(net(second)[0])
    made["likeness/score"] = like(net(first)[0])
    made["likeness/grad_cam"] = grad_cam(net, net.block1, first, like)
    return made


class Pooled(VisionTransformer):
    """Pools all of its tokens, the class token among them, as legrad_torch does in each layer."""

    def _global_pool(self, x):
        return x.mean(1), x[:, 1:]


class Seen(nn.Module):
    """As much of CLIP as legrad_torch asks for."""

    def __init__(self, visual):
        super().__init__()
        self.visual = visual

    def encode_image(self, x):
        return self.visual(x)


def legrad():
    def visual():
        net = Pooled(
            SIDE, patch_size=8, width=16, layers=2, heads=2, mlp_ratio=2.0, output_dim=8,
            pool_type="avg", final_ln_after_pool=True,
        )
        return with_formula_weights(net).eval()

    photo = formula_photo(SIDE, SIDE, 0, -1, 1)
    both = torch.cat([photo, formula_photo(SIDE, SIDE, 1, -1, 1)])
    program = export(visual(), (both,), dynamic_shapes=({0: Dim("batch", min=2, max=64)},))
    save_without_traces(program, FOLDER / "legrad.pt2")
    text = torch.from_numpy(formula_values(8, 7))
    text = text / text.norm()
    made = {"legrad/text": text}
    for name, start in [("map", 0), ("last", 1)]:
        net = LeWrapper(Seen(visual().double()), layer_index=start)
        made[f"legrad/{name}"] = net.compute_legrad(text[None], photo.double())[0, 0]
    return made


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = nms() | yolo() | of_residual() | legrad()
    made = {key: value.detach().float().contiguous() for key, value in made.items()}
    for key, value in made.items():
        print(key, list(value.shape), value.flatten()[:4].tolist())
        assert value.abs().max() > 0, key
    save_file(made, FOLDER / "targets.safetensors")
    (FOLDER / "targets.safetensors").chmod(0o644)
