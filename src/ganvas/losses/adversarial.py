"""Adversarial pairs: what a critic and a generator each minimise, given the critic's scores.

`critic(real, fake)` and `generator(real, fake)` take scores (N,) before any sigmoid and return a scalar. If a pair is not
`paired`, its generator loss ignores the real scores, and models do not compute them.
"""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn.functional import softplus


class Adversarial(ABC):
    """A critic's loss and a generator's."""

    paired: bool = False

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic minimises."""

    @abstractmethod
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """What the generator minimises; `real` is None unless the loss is `paired`."""


class NonSaturating(Adversarial):
    """critic: −log D(x) − log(1 − D(x̃)); generator: −log D(x̃), with D = sigmoid(score). Goodfellow et al. 2014, section 3."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()


class Minimax(NonSaturating):
    """The same critic; the generator minimises log(1 − D(x̃)). Goodfellow et al. 2014, eq. 1."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -softplus(fake).mean()


class LeastSquares(Adversarial):
    """critic: ½(D(x) − 1)² + ½D(x̃)²; generator: ½(D(x̃) − 1)². Mao et al. 2017, eq. 9."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return 0.5 * (fake - 1).square().mean()


class Hinge(Adversarial):
    """critic: max(0, 1 − D(x)) + max(0, 1 + D(x̃)); generator: −D(x̃). Miyato et al. 2018, eq. 16 and 17."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return (1 - real).relu().mean() + (1 + fake).relu().mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()


class Wasserstein(Adversarial):
    """critic: E f(x̃) − E f(x); generator: −E f(x̃). Arjovsky et al. 2017, eq. 2."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()


class Relativistic(Adversarial):
    """Relativistic pairing: each real score against one fake's. Jolicoeur-Martineau 2019; R3GAN, Huang et al. 2024, eq. 2.

    critic: softplus(D(x̃) − D(x)); generator: softplus(D(x) − D(x̃)).
    """

    paired = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None, "a paired loss compares with the real scores"
        return softplus(real - fake).mean()
