"""Tells an adaptive view how a critic ranks real images. Karras et al. 2020, https://arxiv.org/abs/2006.06676"""

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn

from ganvas.core.model import Round
from ganvas.data.ada import Ada

View = Callable[[Tensor, int], Tensor]


def ranked(view: View | None, r: Round, real: Tensor) -> None:
    """Notes the critic's scores of real images, in a critic's loss, if the view adapts to them."""
    for ada in adaptive(view):
        r.real_scores = real.detach()
        r.logged |= {"ADA probability": ada.p.clone(), "sign of real scores": r.real_scores.sign().mean()}


def adapt(view: View | None, rounds: Mapping[str, Round]) -> None:
    """Lets the view follow the scores of the critic's turn, in `Model.follow`."""
    if "critic" in rounds:
        for ada in adaptive(view):
            ada.follow(rounds["critic"].real_scores)


def adaptive(view: View | None) -> Iterator[Ada]:
    """The adaptive views in a view."""
    for part in view.modules() if isinstance(view, nn.Module) else ():
        if isinstance(part, Ada):
            yield part
