"""Networks of the zoo that no Python package has, for make_zoo.py."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class Fcn(nn.Module):
    """fcn.py of github.com/brunoaugustoam/SSL_Seismic_Images, for any ResNet's blocks.

    `task` is "segmentation", or anything else for a pretext task. torchvision's ResNet begins with
    64 channels: here its stages are made again, from `width` on.
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



class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, inputs, bilinear):
        super().__init__()
        half = inputs // 2
        self.bilinear = bilinear
        self.up = nn.Conv2d(inputs, half, 1) if bilinear else nn.ConvTranspose2d(inputs, half, 2, 2)
        self.conv = DoubleConv(inputs, half)

    def forward(self, x, skip):
        if self.bilinear:
            x = F.interpolate(x, size=skip.shape[2:], mode="bilinear")
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class OutConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    """unet/ of github.com/milesial/Pytorch-UNet, of any width and depth; `bilinear` is ours."""

    def __init__(self, channels=1, classes=1, width=64, depth=4, bilinear=False):
        super().__init__()
        self.depth = depth
        self.inc = DoubleConv(channels, width)
        for i in range(depth):
            setattr(self, f"down{i + 1}", Down(width << i, width << i + 1))
        for i in range(depth):
            setattr(self, f"up{i + 1}", Up(width << depth - i, bilinear))
        self.outc = OutConv(width, classes)

    def forward(self, x):
        levels = [self.inc(x)]
        for i in range(self.depth):
            levels.append(getattr(self, f"down{i + 1}")(levels[-1]))
        x = levels.pop()
        for i in range(self.depth):
            x = getattr(self, f"up{i + 1}")(x, levels.pop())
        return self.outc(x)
