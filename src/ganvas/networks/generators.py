"""From codes to examples, and to distributions over examples."""

from torch import Tensor, nn
from torch.distributions import Distribution

from ganvas.networks.body import Synthesis
from ganvas.probability.likelihoods import Likelihood


class Generator(nn.Module):
    """z (N, L), y (N,) to examples (N, *shape). activation: by default tanh for images, none for points."""

    def __init__(self, synthesis: Synthesis, activation: nn.Module | None = None) -> None:
        super().__init__()
        assert synthesis.channels_per == 1, "a generator's synthesis needs channels_per=1"
        self.synthesis = synthesis
        self.activation = activation or (nn.Tanh() if len(synthesis.shape) == 3 else nn.Identity())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.activation(self.synthesis(z, y))


class Decoder(nn.Module):
    """p(x|z): z (N, L), y (N,) to a distribution over examples (N, *shape)."""

    def __init__(self, synthesis: Synthesis, likelihood: Likelihood) -> None:
        super().__init__()
        assert synthesis.channels_per == likelihood.num_parameters, "build the synthesis for this likelihood"
        self.synthesis = synthesis
        self.likelihood = likelihood

    def forward(self, z: Tensor, y: Tensor | None = None) -> Distribution:
        return self.likelihood(self.synthesis(z, y))
