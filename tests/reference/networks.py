"""Networks of the zoo that no Python package has, for make_zoo.py."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class Fcn(nn.Module):
    """fcn.py of github.com/brunoaugustoam/SSL_Seismic_Images, for any ResNet's blocks.

    `task` is "segmentation", or anything else for a pretext task. torchvision's ResNet cannot be
    narrower than 64 channels; the widths of its blocks are planes that it is given one by one.
    """

    def __init__(self, task, classes, width=64, blocks=(3, 4, 6, 3), block=Bottleneck, head=256):
        super().__init__()
        backbone = ResNet(block, blocks, num_classes=1)
        backbone.inplanes = width
        self.conv1 = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = backbone.maxpool
        for i, count in enumerate(blocks):
            stage = backbone._make_layer(block, width << i, count, stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", stage)
        self.dropout = nn.Dropout2d(0.5)
        fine, coarse = width * block.expansion, (width << 3) * block.expansion
        self.task = task
        if task == "segmentation":
            self.segmenter = nn.Sequential(
                nn.Conv2d(fine + coarse, head, 3, padding=1, bias=False),
                nn.BatchNorm2d(head),
                nn.ReLU(),
                nn.Conv2d(head, classes, 3, padding=1, bias=False),
            )
        else:
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Linear(coarse, classes)

    def forward(self, x):
        size = x.shape[2:]
        x = self.maxpool(self.dropout(self.relu(self.bn1(self.conv1(x)))))
        first = self.dropout(self.layer1(x))
        x = self.dropout(self.layer2(first))
        x = self.dropout(self.layer3(x))
        last = self.dropout(self.layer4(x))
        if self.task == "segmentation":
            first = F.interpolate(first, size=size, mode="bilinear")
            last = F.interpolate(last, size=size, mode="bilinear")
            return self.segmenter(torch.cat([first, last], dim=1))
        return self.classifier(torch.flatten(self.avgpool(last), 1))


def fcn(task="segmentation", classes=10):
    return Fcn(task, classes)


def fcn_narrow(task="segmentation", classes=10):
    return Fcn(task, classes, width=12, blocks=(1, 1, 1, 1), block=BasicBlock, head=16)
