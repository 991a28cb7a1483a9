"""One trainer for every model. It handles players and needs no other knowledge of a model."""

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
    """Too many steps in a row had NaN or infinity in a term or a gradient. failures: one for each."""

    def __init__(self, message: str, hint: str = "", failures: Sequence[Failure] = ()) -> None:
        super().__init__(message, hint)
        self.failures = tuple(failures)


class Callback(Protocol):
    """An action that runs when it is due, at the start (images seen 0) and at the end."""

    @property
    def when(self) -> Callable[[int, int], bool]:
        """Returns a function of images seen before and now: whether the action is due."""
        ...

    def __call__(self, trainer: "Trainer") -> None: ...


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


@dataclass(frozen=True)
class Move:
    """A player's move, taken or skipped. Until the trainer reads the flags, they stay on the device.

    norms: of earlier moves with the same terms. sound: whether all values were finite. taken: sound, and the gradient not
    too large. counted: whether its terms are already in the means. data: whether the batch was finite, if that was checked.
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
    """Running means of named scalars. They stay on their device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, group: str, values: Mapping[str, Tensor], taken: Tensor | None = None) -> None:
        """Adds values without a graph. taken: a flag on the device; values that do not count must later be passed to
        `forget`."""
        sums, counts = self.sums.setdefault(group, {}), self.counts.setdefault(group, {})
        for name, value in values.items():
            value = value if taken is None else torch.where(taken, value, 0.0)
            sums[name] = sums[name] + value if name in sums else value.double()
            counts[name] = counts.get(name, 0) + 1

    def forget(self, group: str, names: Iterable[str]) -> None:
        """Removes the values last added under these names."""
        sums, counts = self.sums[group], self.counts[group]
        for name in names:
            counts[name] -= 1
            if not counts[name]:
                del counts[name], sums[name]
        if not counts:
            del self.counts[group], self.sums[group]

    def to_json(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Sums and counts as numbers that JSON stores exactly."""
        return {g: {n: (float(s), self.counts[g][n]) for n, s in sums.items()} for g, sums in self.sums.items()}

    def from_json(self, saved: Mapping[str, Mapping[str, tuple[float, int]]]) -> None:
        """Restores what `to_json` returned. Raises ValueError for a count below 1."""
        self.sums = {
            group: {name: torch.tensor(float(s), dtype=torch.float64) for name, (s, _) in pairs.items()}
            for group, pairs in saved.items()
        }
        self.counts = {group: {name: int(n) for name, (_, n) in pairs.items()} for group, pairs in saved.items()}
        if not all(n > 0 for counts in self.counts.values() for n in counts.values()):
            raise ValueError("a saved mean has no values")

    def peek(self) -> dict[str, dict[str, float]]:
        """The means since the last `read`."""
        return {g: {n: float(s) / self.counts[g][n] for n, s in sums.items()} for g, sums in self.sums.items()}

    def read(self) -> dict[str, dict[str, float]]:
        """Returns the means since the last `read`, and resets them."""
        means = self.peek()
        self.sums, self.counts = {}, {}
        return means


class Trainer:
    """Trains a model: its players move turn by turn.

    model: moved to `device`; its convolutions to channels_last.
    optimizers: for each player's name, from parameters to a torch optimiser.
    learning_rate: a factor on every optimiser's rate, of the images seen.
    ema_half_life: images; None keeps no average.
    transform: from a batch on the device to a batch (augmentation, binarisation).
    seed: seed and step number determine all random numbers of a step.
    patience: after this many steps in a row with NaN or infinity, `NotFinite` is raised. Such steps are skipped.
    skip_gradient_norm: skips a move whose gradient norm exceeds this many times the median of the last 64 moves of its
        kind. Skipped moves count in the median, so a lasting change is accepted after 33 moves.
    precision: of the forward and backward pass in a turn. Weights, optimisers and averages stay in float32.
    compile: whether torch.compile compiles each player's forward and loss. Penalties are never compiled.
    look_every: steps between two checks of skipped moves. Each check waits for the device; default 1 on the CPU and 16
        elsewhere. Between checks the device itself skips NaN and infinity. Optimisers that cannot do so (torch's `fused`
        ones can) are checked at each move.

    Two rules. A player moves by the gradient of its own loss in its own parameters, and by nothing else. During a turn all
    other players are frozen, so a critic's turn builds no graph of the generator. (`simultaneous` models share one graph,
    and only the first rule holds.)
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
        self.sound_buffers = [b.clone() for b in self.buffers]  # after the last step without NaN or infinity
        self.skip_gradient_norm = skip_gradient_norm
        self.precision: Precision = precision
        self.look_every = look_every or (1 if device == "cpu" else 16)
        self.moves: list[Move] = []  # since the last check
        self.data: Tensor | None = None  # whether the newest batch was finite; read later
        self.failures: list[Failure] = []
        self.skipped_steps = 0
        self.skipped_moves = 0  # because of their gradient norm
        self.rewinds: list[Rewind] = []
        self.stopping = False
        self.ending = False  # whether this is the last step of `fit`

    @property
    def best_model(self) -> Model:
        """The model to sample from: the averaged one if there is one."""
        return self.ema.model if self.ema else self.model

    def fit(self, batches: Iterable[Batch], images: int, callbacks: Sequence[Callback] = ()) -> None:
        """Trains until `images` images were seen in all, or `stop` was called.

        batches: start at `images_seen`; this process's share of each batch.
        """
        self.ending = False
        if self.images_seen == 0:
            for callback in callbacks:
                callback(self)
        elif self.images_seen >= images:
            self.again_at_the_end(callbacks)
        # Each step seeds torch. Afterwards the caller's generators are restored.
        with rng.seeded(self.seed), fast_arithmetic():
            for batch in batches if self.images_seen < images else ():
                self.before = self.images_seen
                self.step(batch)
                done, looks = self.images_seen >= images, self.steps % self.look_every == 0
                if done or looks or self.place == distributed.ALONE:
                    # A signal may reach only some processes, or reach one of them a step earlier.
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
        """Runs the callbacks of the end, for a resumed run that was already at its end."""
        self.ending = True
        for callback in callbacks:
            if not callback.when(self.before, self.images_seen):
                callback(self)

    def stop(self) -> None:
        """Ends `fit` after the current step. Every callback runs, as at the end."""
        self.stopping = True

    def step(self, batch: Batch) -> None:
        """Each due player has one turn on `batch`, this process's share of the step's images."""
        self.model.images_seen, self.model.steps = self.images_seen, self.steps
        # Seed and step determine all random numbers of a step, so an exact resume needs no saved generator.
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
        """One forward for all due players, without a graph of the others."""
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
        """The losses of a player's turn, one move each: its loss, then the due lazy penalties.

        Penalties with `every=1` are terms of the loss.
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
        """One optimiser step, skipped for NaN, infinity or a too large gradient."""
        limit = self.skip_gradient_norm
        present = [g for g in gradients if g is not None]
        loss = (
            total(terms).detach().clone()
        )  # with a single term the sum is the term itself, which must not be averaged
        distributed.average([*present, loss])  # with the loss: then all processes agree whether it is finite
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
        """Restores running means and codebooks after a forward pass with NaN or infinity."""
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
        """Reads which moves were taken since the last check. Raises NotFinite if too many in a row were skipped.

        batch: of the newest step, if it is still available.
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
        what = what or f"the gradient of {' + '.join(move.terms)} is NaN or infinite"
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
                f"{len(self.failures)} moves in a row gave NaN or infinity; the last: {failures[-1]}.",
                f"All of them were skipped. {failures[-1].advice}",
                self.failures,
            )


def read(flags: Sequence[Tensor | bool]) -> list[bool]:
    """Reads all flags with one transfer from the device."""
    unsure = [flag for flag in flags if isinstance(flag, Tensor)]
    seen = iter(torch.stack(unsure).tolist() if unsure else ())
    return [flag if isinstance(flag, bool) else next(seen) for flag in flags]


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


def gradient(terms: Terms, parameters: Sequence[nn.Parameter], keep: bool = False) -> list[Tensor | None]:
    """The gradient of the terms' sum in these parameters only."""
    return list(torch.autograd.grad(total(terms), parameters, allow_unused=True, retain_graph=keep))


def total(terms: Terms) -> Tensor:
    assert terms, "a loss must have at least one term"
    first, *others = (full(value) for value in terms.values())
    for value in others:
        first = first + value
    return first


def norm_of(tensors: list[Tensor]) -> Tensor:
    """The Euclidean norm of all tensors together; 0 for none."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))  # pyright: ignore[reportPrivateUsage]


def scaled(terms: Terms, factor: int) -> Terms:
    return terms if factor == 1 else {name: factor * value for name, value in terms.items()}


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Generator[None]:
    """Within this context, these parameters are in no graph."""
    free = [p for p in parameters if p.requires_grad]
    for p in free:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in free:
            p.requires_grad_(True)
