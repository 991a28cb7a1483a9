"""The recipe of a prior over tokens."""

from typing import cast

from ganvas.data import DataInfo
from ganvas.data.domains.codes import Tokens
from ganvas.models.token_prior import TokenPrior
from ganvas.networks.causal import CausalTransformer
from ganvas.recipes.choices import adam
from ganvas.training.recipe import Recipe, learns


@learns("tokens")
def code_prior(
    data: DataInfo,
    *,
    width: int = 128,
    depth: int = 4,
    conditional: bool = True,
    learning_rate: float = 1e-3,
    ema: float = 20_000,
) -> Recipe:
    """A prior over the tokens of a VQ run, --data codes:RUN: a causal transformer predicts each token from those before it.

    Paper: Esser et al. 2021, "Taming Transformers for High-Resolution Image Synthesis", https://arxiv.org/abs/2012.09841

    The run is one of vq-vae or vqgan. Samples decode to its pictures, and are scored in pixels.

    Args:
        width: of the transformer; four heads divide it.
        depth: blocks of attention and a dense layer.
        conditional: whether it is told the classes of data that has them.
        learning_rate: Adam's.
        ema: half-life of the network's average in images; 0 keeps none.
    """
    domain = cast(Tokens, data.domain)
    classes = len(data.classes) if conditional else 0
    places = domain.shape[0] * domain.shape[1]
    network = CausalTransformer(domain.num_tokens, places, width, depth, num_classes=classes)
    return Recipe(
        TokenPrior(network, domain.shape),
        {"prior": adam(learning_rate, 0.9, 0.99)},
        images=300_000,
        batch_size=64,
        ema_half_life=ema or None,
        num_classes=classes,
    )
