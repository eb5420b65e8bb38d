"""The networks of make_methods.py; tests/methods/networks.rs builds the same.

Modules are made in the order in which they run, so that the formula's numbering of parameters is
also that of the Rust side's layers. Every rectifier is a module of its own, not in place, and is
the only reader of its input: captum's hooks need that.
"""

from torch import cat, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions and a sum; the second one dilated where the first one strides."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=stride, dilation=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.downsample(x))


class Residual(nn.Module):
    """[N, 3, 32, 32] -> [N, 6]: strides, batch norm, sums, dilation, global average pooling."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.block1 = Block(8, 8)  # [N, 8, 16, 16]
        self.block2 = Block(8, 16, stride=2)  # [N, 16, 8, 8]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16, 6)

    def forward(self, x):
        x = self.block2(self.block1(self.relu1(self.bn1(self.conv1(x)))))
        return self.fc(self.flatten(self.avgpool(x)))


class Mix(nn.Module):
    """A 1 x 1 convolution beside a grouped 3 x 3 one, concatenated."""

    def __init__(self):
        super().__init__()
        self.a_conv = nn.Conv2d(12, 8, 1)
        self.a_relu = nn.ReLU()
        self.b_conv = nn.Conv2d(12, 12, 3, padding=1, groups=4, bias=False)
        self.b_bn = nn.BatchNorm2d(12)
        self.b_relu6 = nn.ReLU6()

    def forward(self, x):
        a = self.a_relu(self.a_conv(x))
        return cat([a, self.b_relu6(self.b_bn(self.b_conv(x)))], dim=1)


class Branches(nn.Module):
    """[N, 3, 28, 36] -> [N, 6]: ReLU6, overlapping max and average pooling, groups, concatenation,
    a depthwise convolution, global average pooling.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, padding=1)
        self.relu6 = nn.ReLU6()  # [N, 12, 28, 36]
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # [N, 12, 14, 18]
        self.mix = Mix()  # [N, 20, 14, 18]
        self.pool2 = nn.AvgPool2d(3, stride=2, padding=1)  # [N, 20, 7, 9]
        self.depthwise = nn.Conv2d(20, 20, 3, padding=1, groups=20, bias=False)
        self.bn2 = nn.BatchNorm2d(20)
        self.relu2 = nn.ReLU()
        self.pointwise = nn.Conv2d(20, 16, 1)
        self.relu3 = nn.ReLU()  # [N, 16, 7, 9]
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16, 6)

    def forward(self, x):
        x = self.pool2(self.mix(self.pool1(self.relu6(self.conv1(x)))))
        x = self.relu3(self.pointwise(self.relu2(self.bn2(self.depthwise(x)))))
        return self.fc(self.flatten(self.avgpool(x)))


class Segmenter(nn.Module):
    """[N, 3, 24, 32] -> [N, 4, 24, 32]: down twice, up once by a transposed convolution, a skip
    connection, and bilinear resizing at the end.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()  # [N, 8, 12, 16]
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=2, dilation=2, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.relu2 = nn.ReLU()  # [N, 12, 6, 8]
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.conv3 = nn.Conv2d(16, 12, 3, padding=1)
        self.relu3 = nn.ReLU()  # [N, 12, 12, 16]
        self.head = nn.Conv2d(12, 4, 1)

    def forward(self, x):
        first = self.relu1(self.conv1(x))
        y = self.up(self.relu2(self.bn2(self.conv2(self.pool(first)))))
        y = self.head(self.relu3(self.conv3(cat([y, first], dim=1))))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear")


class Tokens(nn.Module):
    """[N, 3, 30, 26] -> [N, 6]: SiLU, an overlapping max pooling with padding, a dilated depthwise convolution,
    GELU, sums, layer normalisation, linear layers on each pixel.
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.act1 = nn.SiLU()  # [N, 8, 15, 13]
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)  # [N, 8, 8, 7]
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.act2 = nn.GELU()
        self.norm = nn.LayerNorm(8)
        self.fc1 = nn.Linear(8, 16)
        self.act3 = nn.GELU()
        self.fc2 = nn.Linear(16, 8)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(8, 6)

    def forward(self, x):
        x = self.pool(self.act1(self.conv1(x)))
        x = x + self.act2(self.bn(self.depthwise(x)))
        y = x.permute(0, 2, 3, 1)  # [N, 8, 7, 8]
        y = self.fc2(self.act3(self.fc1(self.norm(y))))
        x = x + y.permute(0, 3, 1, 2)
        return self.fc(self.flatten(self.avgpool(x)))
