"""Published protocols and their numbers, in the order of `reproduce.py`: the cheapest first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from closed_forms import dirac_dynamics, disentanglement_oracles, principal_components
from measuring import cost

from ganvas.metrics.evaluation import Protocol

MNIST = "../shared/data/mnist"
"""The default folder of MNIST's four files."""


@dataclass(frozen=True)
class Training:
    """What is trained, and how it is measured.

    data: the source; {mnist} is replaced by the folder of MNIST's files. images: the protocol's budget. afforded: our smaller
    budget for each seed, if two cores cannot reach the protocol's. protocols: of the scores. dear: protocols of slow scores;
    these skip the untrained networks.
    """

    recipe: str
    data: str
    images: int
    protocols: tuple[Protocol, ...]
    dear: tuple[Protocol, ...] = ()
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    afforded: int | None = None

    @property
    def budget(self) -> int:
        return self.afforded or self.images


@dataclass(frozen=True)
class Experiment:
    """One protocol.

    published: score name to the published number, as text. source: the publication. how: a training, or a function from a
    seed to scores. seeds: those of the row. notes: facts that a reader needs, and why our number is worse if it is.
    """

    name: str
    title: str
    source: str
    published: dict[str, str]
    how: Training | Callable[[int], dict[str, float]]
    seeds: tuple[int, ...]
    notes: str = ""


def iwae(name: str, title: str, k: int, published: str, source: str) -> Experiment:
    bound, likelihood = Protocol(("elbo",)), Protocol(("nll",), importance_samples=5_000)
    training = Training("iwae-mnist", "idx:{mnist}", 3_000_000, (bound,), (likelihood,), {"k": k})
    notes = (
        "in nats, on one fixed draw of black and white pixels; all 10,000 test images, 5,000 importance samples each; "
        "784-200-200-50 tanh networks, batch 100, 50 epochs of Adadelta"
    )
    return Experiment(name, title, source, {"nll": published}, training, (0,), notes)


def pacgan(name: str, data: str, pack: int, published: tuple[str, str, str], notes: str) -> Experiment:
    """GAN (pack 1) or PacGAN on a mixture: 400 epochs of 1,000 steps of 100 packs."""
    steps = 400_000
    training = Training(
        "pacgan-ring",
        data,
        steps * 100 * pack,
        (Protocol(("modes",), num=2_500),),
        options={"pack": pack},
        afforded=steps * 100 * pack // (10 if name == "ring-gan" else 20),
    )
    what = "GAN" if pack == 1 else f"PacGAN{pack}"
    scores = dict[str, str](zip(("modes", "high-quality", "reverse-kl"), published, strict=True))
    title = f"{what}, {'ring of 8' if data == 'ring8' else 'grid of 25'}"
    return Experiment(name, title, "Lin et al. 2018, table 1; 10 trials", scores, training, (0, 1, 2), notes)


def stacked(name: str, pack: int, published: tuple[str, str]) -> Experiment:
    steps = 500_000
    training = Training(
        "pacgan-stacked",
        "stacked:{mnist}",
        steps * 128 * pack,
        (Protocol(("modes",), num=25_600),),
        options={"pack": pack},
        afforded=steps * 128 * pack // 50,
    )
    what = "DCGAN" if pack == 1 else f"PacDCGAN{pack}"
    short = " After a fiftieth of the budget, samples show specks and no digits; the packed critic is near chance"
    return Experiment(
        name,
        f"{what}, stacked MNIST, small critic",
        "Lin et al. 2018, table 3; 50 trials",
        dict[str, str](zip(("modes", "reverse-kl"), published, strict=True)),
        training,
        (0,),
        "1,000 modes, 25,600 samples; a classifier trained on MNIST names the digit of each channel; the paper draws new "
        "triples at every step, and we draw 60,000 once" + ("" if pack == 1 else "." + short),
    )


SPRITES = Protocol(("mig", "sap", "dci", "beta-vae-score", "factor-vae-score", "elbo"), num=5_000)
SHORT = "a public reproduction of the short protocol"
MIXTURE = "scores of 2,500 samples; one step is 100 packs; a short run covers fewer modes than a long one"

EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "dirac-gan",
            "Dirac-GAN",
            "Mescheder et al. 2018, sections 2 and 3",
            {
                "no penalty: Re λ": "0: circles, never converges",
                "no penalty: Im λ": "½",
                "R1, γ = 0.5: Re λ": "−γ/2 = −0.25",
                "R1, γ = 0.5: Im λ": "√(¼ − γ²/4) = 0.4330",
                "R1, γ = 3: the slower λ": "−γ/2 + √(γ²/4 − ¼) = −0.0858",
                "R1, γ = 3: the faster λ": "−γ/2 − √(γ²/4 − ¼) = −2.9142",
                "consensus, γ = 2: Re λ": "−γ/4 = −0.5",
                "consensus, γ = 2: Im λ": "½",
                "WGAN clipped at ½: radius of the orbit": "½: orbits, never converges",
            },
            dirac_dynamics,
            (0,),
            "eigenvalues of the linear flow that best fits 2,000 steps of 0.005 from θ = 0.05, made by the library's trainer",
        ),
        Experiment(
            "ppca",
            "Linear VAE",
            "probabilistic PCA: Tipping & Bishop 1999, eq. 3.7 and 3.8",
            {
                "log-likelihood below the optimum, nats": "0",
                "σ² over the optimal one": "1",
                "angle to the leading eigenvectors, degrees": "0",
            },
            principal_components,
            (0, 1, 2),
            "500 points of 6 dimensions around a plane, another plane for each seed; 4,000 full-batch steps of Adam",
        ),
        Experiment(
            "disentanglement-oracles",
            "Disentanglement scores",
            "disentanglement_lib's own tests",
            {
                **{
                    f"{codes}: {score}": bound
                    for codes, bound in (("identity", "≥ 0.9"), ("constant", "≤ 0.2"))
                    for score in ("MIG", "SAP", "DCI disentanglement", "β-VAE score", "FactorVAE score")
                },
                "every code twice: MIG": "≤ 0.1",
                "every code twice: DCI disentanglement": "≥ 0.9",
            },
            disentanglement_oracles,
            (0, 1, 2),
            "3,000 examples of 10 independent factors of 10 values; DCI on 1,000 of 4 factors",
        ),
        Experiment(
            "cost-of-measuring",
            "Cost of measuring",
            "our own bars",
            {
                "FID and PRDC of 10,000 samples: seconds": "< 60",
                "FID and PRDC of 10,000 samples: peak memory, GiB": "< 2",
                "−log p of 1,000 images: seconds": "< 300",
            },
            cost,
            (0,),
            "CPU seconds of all threads, with the drawing of samples; 28x28 images; lenet features, without the training of "
            "the lenet, which is cached; 5,000 importance samples through the IWAE nets",
        ),
        *(
            Experiment(
                name,
                title,
                "Higgins et al. 2017, table 1, on their own 2-D shapes",
                {"beta-vae-score": published},
                Training(
                    "vae",
                    "sprites",
                    19_200_000,
                    (SPRITES,),
                    options={"beta": beta, "latent": 10, "width": 16},
                    afforded=100_000,
                ),
                (0, 1, 2),
                "`sprites` are 51,840 images of 5 factors, like dSprites on a coarser grid; the published number is for "
                "other data and shows the order of magnitude only; the protocol's budget is Locatello et al. 2019's, 300,000 "
                "steps of 64",
            )
            for name, title, beta, published in (
                ("vae-sprites", "VAE on sprites", 1.0, "0.616 ± 0.005"),
                ("beta-vae-sprites", "β-VAE, β = 4, on sprites", 4.0, "0.992 ± 0.001"),
            )
        ),
        iwae("iwae-mnist", "VAE, binarised MNIST, short protocol", 1, "92.67", SHORT),
        iwae(
            "iwae-mnist-5",
            "IWAE k = 5, binarised MNIST, short protocol",
            5,
            "85.54 with the full protocol of 3,280 epochs",
            "Burda et al. 2016, table 1",
        ),
        pacgan("ring-gan", "ring8", 1, ("6.3 ± 0.5", "0.982 ± 0.002", "0.45 ± 0.09"), MIXTURE),
        pacgan("ring-pacgan2", "ring8", 2, ("7.9 ± 0.1", "0.956 ± 0.020", "0.07 ± 0.03"), MIXTURE),
        pacgan("grid-gan", "grid25", 1, ("17.3 ± 0.8", "0.948 ± 0.007", "0.70 ± 0.07"), MIXTURE),
        pacgan("grid-pacgan2", "grid25", 2, ("23.8 ± 0.7", "0.913 ± 0.008", "0.13 ± 0.04"), MIXTURE),
        stacked("stacked-dcgan", 1, ("78.5 ± 17.6 (Metz et al. 2017: 30.6 ± 20.7)", "5.21 ± 0.19 (5.99 ± 0.42)")),
        stacked("stacked-pacdcgan2", 2, ("484.5 ± 33.0", "2.61 ± 0.22")),
    )
}
