"""One trainer for every model: it knows players, never models."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from ganvas import distributed, rng
from ganvas.arithmetic import fast_arithmetic
from ganvas.batch import Batch
from ganvas.ema import EMA
from ganvas.errors import GanvasError
from ganvas.failures import BAD_DATA, LOOK_AT_IT, Failure, Norms, Rewind, likely_cause
from ganvas.model import Model, Player, Round, Terms
from ganvas.precision import Precision, full, mixed
from ganvas.schedules import Constant, Schedule
from ganvas.turns import compiled, turn

OptimizerFactory = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]


UNCHANGED = Constant(1.0)


class NotFinite(GanvasError):
    """Too many steps in a row had a term or a gradient that is not a number. failures: what failed in them."""

    def __init__(self, message: str, hint: str = "", failures: Sequence[Failure] = ()) -> None:
        super().__init__(message, hint)
        self.failures = tuple(failures)


class Callback(Protocol):
    """Something that happens when it is due, and also at the start (images seen 0) and at the end."""

    @property
    def when(self) -> Callable[[int, int], bool]:
        """Whether it is due when the images seen went from the first number to the second."""
        ...

    def __call__(self, trainer: "Trainer") -> None: ...


@dataclass
class Seat:
    """A player with what the trainer keeps for it.

    step_factor: on its learning rate, besides the schedule. norms: of its newest gradients, by the terms of the move.
    """

    player: Player
    parameters: list[nn.Parameter]
    others: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    learning_rates: list[float]
    step_factor: float = 1.0
    norms: dict[str, Norms] = field(default_factory=dict[str, Norms])


class Mean:
    """Running means of named scalars that stay on their device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, group: str, values: Mapping[str, Tensor]) -> None:
        sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
        for name, value in values.items():
            sums[name] = sums[name] + value.detach() if name in sums else value.detach().double()
            counts[name] = counts.get(name, 0) + 1

    def to_json(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Sums and counts as numbers that JSON keeps exactly."""
        return {g: {n: (float(s), self.counts[g][n]) for n, s in sums.items()} for g, sums in self.sums.items()}

    def from_json(self, saved: Mapping[str, Mapping[str, tuple[float, int]]]) -> None:
        """The opposite of `to_json`. ValueError for a count below 1."""
        self.sums = {
            group: {name: torch.tensor(float(s), dtype=torch.float64) for name, (s, _) in pairs.items()}
            for group, pairs in saved.items()
        }
        self.counts = {group: {name: int(n) for name, (_, n) in pairs.items()} for group, pairs in saved.items()}
        if not all(n > 0 for counts in self.counts.values() for n in counts.values()):
            raise ValueError("a mean of nothing was saved")

    def peek(self) -> dict[str, dict[str, float]]:
        """The means since the last reading."""
        return {g: {n: float(s) / self.counts[g][n] for n, s in sums.items()} for g, sums in self.sums.items()}

    def read(self) -> dict[str, dict[str, float]]:
        """The means since the last reading, which begin anew."""
        means = self.peek()
        self.sums, self.counts = {}, {}
        return means


class Trainer:
    """Plays a model's players, turn by turn.

    model: moved to `device`; its convolutions to channels_last.
    optimizers: for each player's name, from parameters to a torch optimiser.
    learning_rate: a factor on every optimiser's rate, of the images seen.
    ema_half_life: images; None keeps no average.
    transform: from a batch on the device to a batch (augmentation, binarisation).
    seed: with the number of the step it determines all that is random in that step.
    patience: so many steps in a row may fail to be finite; they are not taken. Then `NotFinite` is raised.
    skip_gradient_norm: a move whose gradient norm is more than so many times the median of the last 64 of its kind is not
        taken. Those that were skipped count in the median, so that a lasting change is followed after 33 of them.
    precision: of what is computed in a turn, forward and back. Weights, optimisers and averages stay in float32.
    compile: whether torch.compile makes one graph of each player's forward and loss; penalties are never compiled.

    Two rules: a player moves by the gradient of its own loss in its own parameters and nothing else; and during a turn
    everybody else is frozen, so that a critic's turn builds no graph of the generator. (Models that are `simultaneous`
    share one graph, and the first rule alone holds everybody apart.)
    """

    def __init__(
        self,
        model: Model,
        optimizers: Mapping[str, OptimizerFactory],
        *,
        learning_rate: Schedule = UNCHANGED,
        ema_half_life: float | None = None,
        transform: Callable[[Batch], Batch] | None = None,
        seed: int = 0,
        device: str = "cpu",
        place: distributed.Place = distributed.ALONE,
        patience: int = 10,
        skip_gradient_norm: float | None = None,
        precision: Precision = "float32",
        compile: bool = False,
    ) -> None:
        self.model = model.to(device=device).to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
        self.device, self.seed, self.place, self.patience = device, seed, place, patience
        self.learning_rate, self.transform = learning_rate, transform
        self.seats = take_seats(model.players(), optimizers)
        shaped = compiled if compile else lambda function: function
        self.forward = shaped(model.__call__)
        self.turns = {seat.player.name: shaped(turn(model, seat.player)) for seat in self.seats}
        self.ema = EMA(model, ema_half_life) if ema_half_life else None
        self.steps = 0
        self.images_seen = 0
        self.before = 0  # the images seen before the last step
        self.terms, self.gradient_norms = Mean(), Mean()
        self.buffers = list(self.model.buffers())
        self.sound_buffers = [b.clone() for b in self.buffers]  # as the last good step left them
        self.skip_gradient_norm = skip_gradient_norm
        self.precision: Precision = precision
        self.failures: list[Failure] = []
        self.skipped_steps = 0
        self.skipped_moves = 0  # for their gradient norm
        self.rewinds: list[Rewind] = []
        self.stopping = False
        self.ending = False  # whether this is the last step of `fit`

    @property
    def best_model(self) -> Model:
        """What samples should come from: the average where there is one."""
        return self.ema.model if self.ema else self.model

    def fit(self, batches: Iterable[Batch], images: int, callbacks: Sequence[Callback] = ()) -> None:
        """Steps until `images` images were seen in all, or `stop` was called.

        batches: from where `images_seen` stands; this process's share of each batch.
        """
        self.ending = False
        if self.images_seen == 0:
            for callback in callbacks:
                callback(self)
        elif self.images_seen >= images:
            self.again_at_the_end(callbacks)
        # Each step seeds torch anew; afterwards the caller's generators are as they were.
        with rng.seeded(self.seed), fast_arithmetic():
            for batch in batches if self.images_seen < images else ():
                self.before = self.images_seen
                self.step(batch)
                # A signal may have reached only some of the processes, or one of them a step earlier.
                self.stopping = distributed.anyone(self.stopping, self.device)
                self.ending = self.stopping or self.images_seen >= images
                for callback in callbacks:
                    if self.ending or callback.when(self.before, self.images_seen):
                        callback(self)
                if self.ending:
                    break

    def again_at_the_end(self, callbacks: Sequence[Callback]) -> None:
        """What only the end of training calls for, for a run that was at its end when it was resumed."""
        self.ending = True
        for callback in callbacks:
            if not callback.when(self.before, self.images_seen):
                callback(self)

    def stop(self) -> None:
        """Ends `fit` after the current step, with every callback called as at the end."""
        self.stopping = True

    def step(self, batch: Batch) -> None:
        """Every player that is due plays one turn on `batch`, this process's share of the step's images."""
        self.model.images_seen, self.model.steps = self.images_seen, self.steps
        # All that is random in a step follows from the seed and the step: nothing else need be kept to resume exactly.
        rng.reseed(self.device, self.seed, "step", self.steps)
        with rng.share(self.place.rank, self.place.world_size):
            if self.transform:
                batch = self.transform(batch)
            due = [seat for seat in self.seats if seat.player.turn(self.steps) is not None]
            play = self._together if self.model.simultaneous else self._alternately
            failures = play(due, batch)
        if failures and not torch.isfinite(batch.x).all():
            failures = [replace(failure, cause=BAD_DATA, advice=LOOK_AT_IT) for failure in failures]
        self._note_failures(failures)
        self.steps += 1
        self.images_seen += len(batch) * self.place.world_size
        if self.ema:
            self.ema.update(self.images_seen, len(batch) * self.place.world_size)

    def _alternately(self, due: Sequence[Seat], batch: Batch) -> list[Failure]:
        failures: list[Failure] = []
        drawn = self._draw(due, batch) if self.model.one_draw else None
        for seat in due:
            for loss, factor in self._losses(seat):
                with frozen(seat.others):
                    with mixed(self.precision, self.device):
                        terms = scaled(loss(drawn, batch), factor)
                    gradients = gradient(terms, seat.parameters, keep=drawn is not None)
                failures += self._move(seat, terms, gradients)
        return failures

    def _draw(self, due: Sequence[Seat], batch: Batch) -> Round:
        """One forward for the turns of all that are due, without a graph of those that are not."""
        playing = {id(p) for seat in due for p in seat.parameters}
        others = [p for seat in self.seats for p in seat.parameters if id(p) not in playing]
        with frozen(others), mixed(self.precision, self.device):
            return self.forward(batch)

    def _together(self, due: Sequence[Seat], batch: Batch) -> list[Failure]:
        with mixed(self.precision, self.device):
            r: Round = self.forward(batch)
        moves: list[tuple[Seat, Terms, list[Tensor | None]]] = []
        for seat in due:
            for loss, factor in self._losses(seat):
                with mixed(self.precision, self.device):
                    terms = scaled(loss(r, batch), factor)
                moves.append((seat, terms, gradient(terms, seat.parameters, keep=True)))
        del r
        return [failure for move in moves for failure in self._move(*move)]

    def _losses(self, seat: Seat) -> Iterator[tuple[Callable[[Round | None, Batch], Terms], int]]:
        """What a seat descends in this turn, each by a move of its own: its loss, then the lazy penalties that are due.

        Penalties of every turn are terms of the loss.
        """
        player = seat.player
        number = player.turn(self.steps)
        assert number is not None
        always = [lazy.penalty for lazy in player.lazy if lazy.every == 1]

        def loss(drawn: Round | None, batch: Batch) -> Terms:
            r, terms = self.turns[player.name](drawn, batch)
            for penalty in always:
                terms |= penalty(r)
            return terms

        yield loss, 1
        for lazy in player.lazy:
            if lazy.every > 1 and number % lazy.every == 0:
                yield lambda drawn, batch, lazy=lazy: lazy.penalty(drawn or self.model(batch)), lazy.every

    def _move(self, seat: Seat, terms: Terms, gradients: list[Tensor | None]) -> list[Failure]:
        """One step of the seat's optimiser, unless its gradient is too large, or something is not finite; then says what."""
        present = [g for g in gradients if g is not None]
        loss = total(terms).detach().clone()  # a term may be all there is, and is not to be averaged
        distributed.average([*present, loss])  # with the loss, so that all processes agree on whether it is finite
        norm = norm_of(present)
        norms = seat.norms.setdefault(" + ".join(terms), Norms(device=self.device))
        if not math.isfinite((norm + loss).item()):
            return [self._failure(seat, terms, norms)]
        usual = self.skip_gradient_norm is None or norm.item() <= norms.limit(self.skip_gradient_norm)
        norms.add(norm)
        if not usual:
            self.skipped_moves += 1
            return []
        for group, rate in zip(seat.optimizer.param_groups, seat.learning_rates, strict=True):
            group["lr"] = rate * seat.step_factor * self.learning_rate(self.images_seen)
        for parameter, g in zip(seat.parameters, gradients, strict=True):
            parameter.grad = g
        seat.optimizer.step()
        if seat.player.project:
            seat.player.project()
        for parameter in seat.parameters:
            parameter.grad = None
        self.terms.add(seat.player.name, terms)
        self.gradient_norms.add("gradient", {seat.player.name: norm})
        return []

    def _failure(self, seat: Seat, terms: Terms, norms: Norms) -> Failure:
        broken = {name: float(v.detach()) for name, v in terms.items() if not torch.isfinite(v)}
        what = ", ".join(f"{name} is {value}" for name, value in broken.items())
        largest = max((float(p.detach().abs().max()) for p in seat.parameters if p.numel()), default=0.0)
        cause, advice = likely_cause(broken, norms.to_list(), largest)
        what = what or f"the gradient of {' + '.join(terms)} is not finite"
        return Failure(self.steps, seat.player.name, what, cause, advice)

    @torch.no_grad()
    def _note_failures(self, failures: list[Failure]) -> None:
        if not failures:
            if self.buffers:
                torch._foreach_copy_(self.sound_buffers, self.buffers)  # pyright: ignore[reportPrivateUsage]
            self.failures = []
            return
        # A batch that is not finite has reached running means and codebooks in the forward pass already.
        if self.buffers:
            torch._foreach_copy_(self.buffers, self.sound_buffers)  # pyright: ignore[reportPrivateUsage]
        self.failures += failures
        self.skipped_steps += 1
        if len(self.failures) >= self.patience:
            raise NotFinite(
                f"{len(self.failures)} moves in a row gave numbers that are not finite; the last: {failures[-1]}.",
                f"None of them was taken. {failures[-1].advice}",
                self.failures,
            )


def take_seats(players: Sequence[Player], optimizers: Mapping[str, OptimizerFactory]) -> list[Seat]:
    """Each player with an optimiser of its own over its parameters."""
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
    """A penalty paid every k-th turn is a (k + 1)-th step in k turns, so rate and betas are taken to c = k / (k + 1).

    Karras et al. 2020, appendix B.
    """
    steps_per_turn = 1 + sum(1 / k for k in periods)
    for group in optimizer.param_groups:
        group["lr"] /= steps_per_turn
        if "betas" in group:
            group["betas"] = tuple(beta ** (1 / steps_per_turn) for beta in group["betas"])


def gradient(terms: Terms, parameters: Sequence[nn.Parameter], keep: bool = False) -> list[Tensor | None]:
    """The gradient of the terms' sum in these parameters, and in nothing else."""
    return list(torch.autograd.grad(total(terms), parameters, allow_unused=True, retain_graph=keep))


def total(terms: Terms) -> Tensor:
    assert terms, "a loss must have at least one term"
    first, *others = (full(value) for value in terms.values())
    for value in others:
        first = first + value
    return first


def norm_of(tensors: list[Tensor]) -> Tensor:
    """The Euclidean norm of all of them together; 0 of none."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))  # pyright: ignore[reportPrivateUsage]


def scaled(terms: Terms, factor: int) -> Terms:
    return terms if factor == 1 else {name: factor * value for name, value in terms.items()}


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Generator[None]:
    """Inside, these parameters take part in no graph."""
    free = [p for p in parameters if p.requires_grad]
    for p in free:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in free:
            p.requires_grad_(True)
