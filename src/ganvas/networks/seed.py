"""The first layer of a convolutional synthesis: from a code and its class to the coarsest feature map."""

from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.networks.body import Latent
from ganvas.nn.conditioning import ALONE, Concatenation


class Seed(nn.Module):
    """A dense layer from a code (N, L), or a convolution from a grid of codes (N, D, side, side); y: (N,).

    Returns (N, channels, side, side). embedding: size of the class embedding beside the code.
    """

    def __init__(
        self,
        latent: Latent,
        channels: int,
        side: int,
        num_classes: int | None,
        bias: bool = True,
        embedding: int = ALONE,
    ) -> None:
        super().__init__()
        self.concatenation = Concatenation(num_classes, embedding)
        added = self.concatenation.num_added
        if isinstance(latent, int):
            self.layer: nn.Module = nn.Sequential(
                nn.Linear(latent + added, channels * side * side, bias=bias), nn.Unflatten(1, (channels, side, side))
            )
        elif latent[1:] == (side, side):
            self.layer = nn.Conv2d(latent[0] + added, channels, 3, padding=1, bias=bias)
        else:
            raise GanvasError(
                f"This network grows images from a grid of {side}x{side} codes, and was given {latent[1]}x{latent[2]}.",
                "Give encoder and decoder the same number of halvings.",
            )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layer(self.concatenation(z, y))
