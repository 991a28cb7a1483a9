"""One trainer for every model: it knows players, never models."""

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.core.model import Model, Player, Round, Terms
from ganvas.core.schedules import Constant, Schedule
from ganvas.errors import GanvasError
from ganvas.machine import distributed, rng
from ganvas.machine.arithmetic import fast_arithmetic
from ganvas.machine.precision import Precision, full, mixed
from ganvas.training.ema import EMA
from ganvas.training.failures import BAD_DATA, LOOK_AT_IT, Failure, Norms, Rewind, likely_cause
from ganvas.training.turns import compiled, turn

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


@dataclass(frozen=True)
class Move:
    """A player's move, which was taken or not: where nobody looked, the device alone knows.

    norms: of the earlier moves of its kind. sound: whether all was finite. taken: and the gradient not too large.
    counted: whether its terms were added to the means already. data: whether the batch was finite, where that was looked at.
    """

    step: int
    seat: Seat
    terms: Terms
    norms: Norms
    sound: Tensor | bool
    taken: Tensor | bool
    counted: bool
    data: Tensor | None


class Mean:
    """Running means of named scalars that stay on their device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, group: str, values: Mapping[str, Tensor], taken: Tensor | None = None) -> None:
        """values: without a graph. taken: whether they count, where the device alone knows it; what does not is to be told to
        `forget`."""
        sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
        for name, value in values.items():
            value = value if taken is None else torch.where(taken, value, 0.0)
            sums[name] = sums[name] + value if name in sums else value.double()
            counts[name] = counts.get(name, 0) + 1

    def forget(self, group: str, names: Iterable[str]) -> None:
        """What was last added under these names did not count."""
        sums, counts = self.sums[group], self.counts[group]
        for name in names:
            counts[name] -= 1
            if not counts[name]:
                del counts[name], sums[name]
        if not counts:
            del self.counts[group], self.sums[group]

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
    look_every: steps between two looks at which moves were taken, each of which waits for the device; by default 1 on the CPU
        and 16 elsewhere. Between them the device leaves out by itself what is not finite. An optimiser that cannot do that
        (those of torch can that are `fused`) is waited for at each of its moves.

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
        look_every: int | None = None,
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
        self.look_every = look_every or (1 if device == "cpu" else 16)
        self.moves: list[Move] = []  # since the last look
        self.data: Tensor | None = None  # whether the newest batch was finite, where that is seen later
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
                done, looks = self.images_seen >= images, self.steps % self.look_every == 0
                if done or looks or self.place == distributed.ALONE:
                    # A signal may have reached only some of the processes, or one of them a step earlier.
                    self.stopping = distributed.anyone(self.stopping, self.device)
                    self.ending = self.stopping or done
                due = [c for c in callbacks if self.ending or c.when(self.before, self.images_seen)]
                if due or looks:
                    self.look()
                for callback in due:
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
            self.data = None if self.look_every == 1 else torch.isfinite(batch.x).all()
            due = [seat for seat in self.seats if seat.player.turn(self.steps) is not None]
            play = self._together if self.model.simultaneous else self._alternately
            play(due, batch)
        self._keep_buffers()
        if self.look_every == 1:
            self.look(batch)
        self.steps += 1
        self.images_seen += len(batch) * self.place.world_size
        if self.ema:
            self.ema.update(self.images_seen, len(batch) * self.place.world_size)

    def _alternately(self, due: Sequence[Seat], batch: Batch) -> None:
        drawn = self._draw(due, batch) if self.model.one_draw else None
        for seat in due:
            for loss, factor in self._losses(seat):
                with frozen(seat.others):
                    with mixed(self.precision, self.device):
                        terms = scaled(loss(drawn, batch), factor)
                    gradients = gradient(terms, seat.parameters, keep=drawn is not None)
                self._move(seat, terms, gradients)

    def _draw(self, due: Sequence[Seat], batch: Batch) -> Round:
        """One forward for the turns of all that are due, without a graph of those that are not."""
        playing = {id(p) for seat in due for p in seat.parameters}
        others = [p for seat in self.seats for p in seat.parameters if id(p) not in playing]
        with frozen(others), mixed(self.precision, self.device):
            return self.forward(batch)

    def _together(self, due: Sequence[Seat], batch: Batch) -> None:
        with mixed(self.precision, self.device):
            r: Round = self.forward(batch)
        moves: list[tuple[Seat, Terms, list[Tensor | None]]] = []
        for seat in due:
            for loss, factor in self._losses(seat):
                with mixed(self.precision, self.device):
                    terms = scaled(loss(r, batch), factor)
                moves.append((seat, terms, gradient(terms, seat.parameters, keep=True)))
        del r
        for move in moves:
            self._move(*move)

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

    def _move(self, seat: Seat, terms: Terms, gradients: list[Tensor | None]) -> None:
        """One step of the seat's optimiser, unless its gradient is too large, or something is not finite."""
        limit = self.skip_gradient_norm
        present = [g for g in gradients if g is not None]
        loss = total(terms).detach().clone()  # a term may be all there is, and is not to be averaged
        distributed.average([*present, loss])  # with the loss, so that all processes agree on whether it is finite
        norm = norm_of(present)
        norms = seat.norms.setdefault(" + ".join(terms), Norms(device=self.device))
        values = {name: value.detach() for name, value in terms.items()}
        if self.look_every == 1 or not leaves_out(seat.optimizer):
            sound = math.isfinite((norm + loss).item())
            taken = sound and (limit is None or bool(norm <= norms.limit(limit)))
            if sound:
                norms.add(norm)
            counted, unsure = taken, None
        else:
            sound = torch.isfinite(norm + loss)
            taken = sound if limit is None else sound & (norm <= norms.limit(limit))
            norms.add(torch.where(sound, norm, torch.nan))
            seat.optimizer.found_inf = (~taken).float()  # pyright: ignore[reportAttributeAccessIssue]
            counted, unsure = True, taken
        if counted:
            self._take(seat, gradients)
            self.terms.add(seat.player.name, values, unsure)
            self.gradient_norms.add("gradient", {seat.player.name: norm}, unsure)
        self.moves.append(Move(self.steps, seat, values, norms, sound, taken, counted, self.data))

    def _take(self, seat: Seat, gradients: list[Tensor | None]) -> None:
        for group, rate in zip(seat.optimizer.param_groups, seat.learning_rates, strict=True):
            group["lr"] = rate * seat.step_factor * self.learning_rate(self.images_seen)
        for parameter, g in zip(seat.parameters, gradients, strict=True):
            parameter.grad = g
        seat.optimizer.step()
        if seat.player.project:
            seat.player.project()
        for parameter in seat.parameters:
            parameter.grad = None

    @torch.no_grad()
    def _keep_buffers(self) -> None:
        """A batch that is not finite has reached running means and codebooks in the forward pass, which are taken back."""
        if not self.buffers:
            return
        sound = [move.sound for move in self.moves if move.step == self.steps]
        unsure = [flag for flag in sound if isinstance(flag, Tensor)]
        if not all(flag for flag in sound if isinstance(flag, bool)):
            torch._foreach_copy_(self.buffers, self.sound_buffers)  # pyright: ignore[reportPrivateUsage]
        elif unsure:
            whole = torch.stack(unsure).all()
            for buffer, before in zip(self.buffers, self.sound_buffers, strict=True):
                buffer.copy_(torch.where(whole, buffer, before))
        torch._foreach_copy_(self.sound_buffers, self.buffers)  # pyright: ignore[reportPrivateUsage]

    def look(self, batch: Batch | None = None) -> None:
        """Reads which moves were taken since the last look, and raises NotFinite where too many in a row were not.

        batch: of the newest step, where it is still at hand.
        """
        moves, self.moves = self.moves, []
        if not moves:
            return
        flags = read([flag for move in moves for flag in (move.sound, move.taken)])
        judged = zip(moves, flags[::2], flags[1::2], strict=True)
        for _, group in itertools.groupby(judged, key=lambda judgement: judgement[0].step):
            failures: list[Failure] = []
            for move, sound, taken in group:
                if not taken and move.counted:
                    self.terms.forget(move.seat.player.name, move.terms)
                    self.gradient_norms.forget("gradient", [move.seat.player.name])
                if not sound:
                    failures.append(self._failure(move, batch))
                elif not taken:
                    self.skipped_moves += 1
            self._note(failures)

    def _failure(self, move: Move, batch: Batch | None) -> Failure:
        broken = {name: float(v) for name, v in move.terms.items() if not torch.isfinite(v)}
        what = ", ".join(f"{name} is {value}" for name, value in broken.items())
        what = what or f"the gradient of {' + '.join(move.terms)} is not finite"
        data = move.data if batch is None else torch.isfinite(batch.x).all()
        if data is not None and not bool(data):
            return Failure(move.step, move.seat.player.name, what, BAD_DATA, LOOK_AT_IT)
        largest = max((float(p.detach().abs().max()) for p in move.seat.parameters if p.numel()), default=0.0)
        cause, advice = likely_cause(broken, move.norms.to_list(), largest)
        return Failure(move.step, move.seat.player.name, what, cause, advice)

    def _note(self, failures: list[Failure]) -> None:
        """failures: of one step."""
        if not failures:
            self.failures = []
            return
        self.failures += failures
        self.skipped_steps += 1
        if len(self.failures) >= self.patience:
            raise NotFinite(
                f"{len(self.failures)} moves in a row gave numbers that are not finite; the last: {failures[-1]}.",
                f"None of them was taken. {failures[-1].advice}",
                self.failures,
            )


def read(flags: Sequence[Tensor | bool]) -> list[bool]:
    """All of them, with one look at the device."""
    unsure = [flag for flag in flags if isinstance(flag, Tensor)]
    seen = iter(torch.stack(unsure).tolist() if unsure else ())
    return [flag if isinstance(flag, bool) else next(seen) for flag in flags]


def leaves_out(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it takes a `found_inf`, which makes it leave a step out on the device."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


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
