"""A player with what the trainer keeps for it: its parameters, its optimiser, its gradient norms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ganvas.core.model import Player
from ganvas.training.failures import Norms
from ganvas.training.state import check_same, fresh_state, placed

OptimizerFactory = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]


@dataclass
class Seat:
    """A player with its optimiser and the trainer's state for it.

    step_factor: multiplies its learning rate, besides the schedule. norms: of its newest gradients, by the move's terms.
    """

    player: Player
    parameters: list[nn.Parameter]
    others: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    learning_rates: list[float]
    step_factor: float = 1.0
    norms: dict[str, Norms] = field(default_factory=dict[str, Norms])

    def tensors(self) -> dict[str, Tensor]:
        """What the optimiser keeps, by name."""
        return {
            f"{self.prefix}{index}/{key}": value
            for index, parameter in enumerate(self.parameters)
            for key, value in self.optimizer.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` returned. Raises DamagedCheckpoint if names, shapes or types differ."""
        self.optimizer.state.clear()
        for index, parameter in enumerate(self.parameters):
            prefix = f"{self.prefix}{index}/"
            kept = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if kept:
                check_same(kept, fresh_state(self.optimizer, parameter), prefix)
                self.optimizer.state[parameter] = {key: placed(t, parameter) for key, t in kept.items()}

    @property
    def prefix(self) -> str:
        return f"optimizer/{self.player.name}/"


def leaves_out(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimiser accepts `found_inf`, which skips a step on the device."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def take_seats(players: Sequence[Player], optimizers: Mapping[str, OptimizerFactory]) -> list[Seat]:
    """Each player with its own optimiser over its parameters."""
    names = [p.name for p in players]
    assert len(set(names)) == len(names), f"two players share a name: {names}"
    assert set(optimizers) == set(names), f"optimisers are for {sorted(optimizers)}, players are {sorted(names)}"
    everybody = {id(q): q for player in players for q in player.parameters()}
    seats: list[Seat] = []
    for player in players:
        own = player.parameters()
        optimizer = optimizers[player.name](own)
        correct_for_laziness(optimizer, [lazy.every for lazy in player.lazy if lazy.every > 1])
        others = [q for key, q in everybody.items() if key not in {id(o) for o in own}]
        seats.append(Seat(player, own, others, optimizer, [group["lr"] for group in optimizer.param_groups]))
    return seats


def correct_for_laziness(optimizer: torch.optim.Optimizer, periods: Sequence[int]) -> None:
    """A penalty at every k-th turn adds one step in k turns. So rate and betas are adapted with c = k / (k + 1).

    Karras et al. 2020, appendix B.
    """
    steps_per_turn = 1 + sum(1 / k for k in periods)
    for group in optimizer.param_groups:
        group["lr"] /= steps_per_turn
        if "betas" in group:
            group["betas"] = tuple(beta ** (1 / steps_per_turn) for beta in group["betas"])
