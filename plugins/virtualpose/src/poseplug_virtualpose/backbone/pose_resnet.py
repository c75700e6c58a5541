"""The backbone's network: SimpleBaseline (Xiao et al., ECCV 2018) with a head for boxes (VirtualPose, Sec. 4.1)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from poseplug.core.storage.weights import load_weights, take_weights
from poseplug_virtualpose.backbone.resnet import ResNet, begin_small, head, upsampling

# What depends on the joints, or is not in everybody's checkpoints.
_HEADS = ("deconv_layers", "final_layer", "bbox")
# What VirtualPose's checkpoints of all networks put before the names of this one.
_WITHIN = "backbone."


class PoseResNet(ResNet):
    """Heat maps [N, J, H / 4, W / 4] and boxes [N, 4, H / 4, W / 4] of images [N, 3, H, W].

    Args:
        depth: of the residual network.
        joints: how many heat maps there are, J.
        width: channels of what both are made of.
    """

    def __init__(self, depth: int, joints: int, width: int = 256) -> None:
        super().__init__(depth)
        self.deconv_layers = upsampling(self.features, width)
        self.final_layer = begin_small(nn.Conv2d(width, joints, 1))
        self.bbox = head(width, width, 4)

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return heat maps and boxes."""
        features = self.deconv_layers(self(images))
        return self.final_layer(features), self.bbox(features)

    def take(self, path: Path) -> tuple[str, ...]:
        """Take the weights of a file; return the names of tensors that it has none for, which stay as they are.

        These may be the heads only: files of torchvision have none, others have some for other joints.

        Raises:
            PoseplugError: it cannot be read, or is of a network of another depth.
        """
        tensors = load_weights(path)
        within = {name.removeprefix(_WITHIN): tensor for name, tensor in tensors.items() if name.startswith(_WITHIN)}
        return take_weights(self, within or tensors, _HEADS, f"The weights '{path}'").fresh
