"""One trainer for every model. It handles players and needs no other knowledge of a model."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ganvas.core.batch import Batch
from ganvas.core.model import Lazy, Model, Round, Terms
from ganvas.core.order import OneDraw, Simultaneous
from ganvas.core.schedules import Constant, Schedule
from ganvas.machine import distributed, rng
from ganvas.machine.arithmetic import fast_arithmetic
from ganvas.machine.precision import Precision, mixed
from ganvas.training.buffers import Buffers
from ganvas.training.conversions import of_today
from ganvas.training.ema import EMA
from ganvas.training.failures import Norms
from ganvas.training.gradients import frozen, gradient, norm_of, scaled, total
from ganvas.training.means import Mean
from ganvas.training.seats import OptimizerFactory, Seat, leaves_out, take_seats
from ganvas.training.state import DamagedCheckpoint, State, count, fill, variables
from ganvas.training.turns import Turn, compiled, turn
from ganvas.training.verdicts import Move, Verdicts

UNCHANGED = Constant(1.0)


class Callback(Protocol):
    """An action that runs when it is due, at the start (images seen 0) and at the end."""

    @property
    def when(self) -> Callable[[int, int], bool]:
        """Returns a function of images seen before and now: whether the action is due."""
        ...

    def __call__(self, trainer: "Trainer") -> None: ...


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

    Two rules: a player moves by the gradient of its own loss in its own parameters and nothing else; and during a turn
    everybody else is frozen, so that a critic's turn builds no graph of the generator. (Players of a model
    whose order is `Simultaneous` share one graph; the first rule alone keeps them apart.)
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
        self.device, self.seed, self.place = device, seed, place
        self.learning_rate, self.transform = learning_rate, transform
        self.seats = take_seats(model.players(), optimizers)
        shaped = compiled if compile else lambda function: function
        self.forward = shaped(model.__call__)
        self.turns = {seat.player.name: shaped(turn(model, seat.player)) for seat in self.seats}
        self.ema = EMA(model, ema_half_life) if ema_half_life else None
        self.clock = model.clock
        self.clock.images = self.clock.steps = 0
        self.before = 0  # the images seen before the last step
        self.terms, self.gradient_norms, self.logged = Mean(), Mean(), Mean()
        self.buffers = Buffers(self.model)
        self.skip_gradient_norm = skip_gradient_norm
        self.precision: Precision = precision
        self.look_every = look_every or (1 if device == "cpu" else 16)
        self.verdicts = Verdicts(patience, self.terms, self.gradient_norms)
        self.draws_alone = compile or rng.draws_from_torch(model)
        self.follows = type(model).follow is not Model.follow
        self.data: Tensor | None = None  # whether the newest batch was finite; read later
        self.stopping = False
        self.ending = False  # whether this is the last step of `fit`

    @property
    def images_seen(self) -> int:
        return self.clock.images

    @property
    def steps(self) -> int:
        return self.clock.steps

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
        with rng.restored(), fast_arithmetic():
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
                    self.verdicts.look()
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
        # Seed and step determine all random numbers of a step, so an exact resume needs no saved generator.
        drawing = rng.drawing(self.device, self.seed, "step", self.steps, alone=self.draws_alone)
        with drawing, rng.share(self.place.rank, self.place.world_size):
            if self.transform:
                batch = self.transform(batch)
            self.data = None if self.look_every == 1 else torch.isfinite(batch.x).all()
            due = [seat for seat in self.seats if seat.player.turn(self.steps) is not None]
            play = self._together if isinstance(self.model.order, Simultaneous) else self._alternately
            self._follow(play(due, batch))
        self.buffers.keep(self.verdicts.sound(self.steps))
        if self.look_every == 1:
            self.verdicts.look(batch)
        self.clock.steps += 1
        self.clock.images += len(batch) * self.place.world_size
        if self.ema:
            self.ema.update(self.images_seen, len(batch) * self.place.world_size)

    def _alternately(self, due: Sequence[Seat], batch: Batch) -> dict[str, Round]:
        drawn = self._draw(due, batch) if isinstance(self.model.order, OneDraw) else None
        rounds: dict[str, Round] = {}
        logged: Terms = {}
        for seat in due:
            for name, loss, factor in self._losses(seat):
                with frozen(seat.others):
                    with mixed(self.precision, self.device):
                        r, terms = loss(drawn, batch)
                        terms = scaled(terms, factor)
                    gradients = gradient(terms, seat.parameters, keep=drawn is not None)
                self._move(seat, terms, gradients)
                logged |= r.logged
                if self.follows and name:
                    rounds[name] = r
        self._log(logged)
        return rounds

    def _draw(self, due: Sequence[Seat], batch: Batch) -> Round:
        """One forward for all due players, without a graph of the others."""
        playing = {id(p) for seat in due for p in seat.parameters}
        others = [p for seat in self.seats for p in seat.parameters if id(p) not in playing]
        with frozen(others), mixed(self.precision, self.device):
            return self.forward(batch)

    def _together(self, due: Sequence[Seat], batch: Batch) -> dict[str, Round]:
        with mixed(self.precision, self.device):
            r: Round = self.forward(batch)
        moves: list[tuple[Seat, Terms, list[Tensor | None]]] = []
        for seat in due:
            for _, loss, factor in self._losses(seat):
                with mixed(self.precision, self.device):
                    terms = scaled(loss(r, batch)[1], factor)
                moves.append((seat, terms, gradient(terms, seat.parameters, keep=True)))
        for move in moves:
            self._move(*move)
        self._log(r.logged)
        return {seat.player.name: r for seat in due} if self.follows else {}

    @torch.no_grad()
    def _follow(self, rounds: dict[str, Round]) -> None:
        """What moves without a gradient, unless a move of this step is known to have failed."""
        if rounds and not self.verdicts.failed(self.steps):
            self.model.follow(rounds)

    def _log(self, logged: Terms) -> None:
        """Numbers that are logged and not descended, of a step that is not known to have failed."""
        if logged and not self.verdicts.failed(self.steps):
            self.logged.add("logged", {name: value.detach() for name, value in logged.items()})

    def _losses(self, seat: Seat) -> Iterator[tuple[str, Turn, int]]:
        """What a seat descends in this turn, each by a move of its own: its loss, then the lazy penalties that are due.

        Penalties with `every=1` are terms of the loss. Returns the name for `follow`, or "", the loss and its factor.
        """
        player = seat.player
        number = player.turn(self.steps)
        assert number is not None
        always = [lazy.penalty for lazy in player.lazy if lazy.every == 1]

        def loss(drawn: Round | None, batch: Batch) -> tuple[Round, Terms]:
            r, terms = self.turns[player.name](drawn, batch)
            for penalty in always:
                terms |= penalty(r)
            return r, terms

        def paid(lazy: Lazy) -> Turn:
            def pay(drawn: Round | None, batch: Batch) -> tuple[Round, Terms]:
                r: Round = drawn or self.model(batch)
                return r, lazy.penalty(r)

            return pay

        yield player.name, loss, 1
        for lazy in player.lazy:
            if lazy.every > 1 and number % lazy.every == 0:
                yield f"{player.name}/{lazy.name}" if lazy.name else "", paid(lazy), lazy.every

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
        self.verdicts.moves.append(Move(self.steps, seat, values, norms, sound, taken, counted, self.data))

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

    def state(self) -> State:
        """Everything that the next step depends on: tensors by name, and facts that JSON keeps."""
        self.verdicts.look()
        tensors = {f"model/{name}": t for name, t in variables(self.model).items()}
        if self.ema:
            tensors |= {f"ema/{name}": t for name, t in variables(self.ema.model).items()}
        for seat in self.seats:
            tensors |= seat.tensors()
        facts: dict[str, Any] = {
            "images_seen": self.images_seen,
            "steps": self.steps,
            "before": self.before,
            **self.verdicts.state(),
            "step_factors": {seat.player.name: seat.step_factor for seat in self.seats},
            "norms": {seat.player.name: {kind: n.to_list() for kind, n in seat.norms.items()} for seat in self.seats},
            "means": {name: mean.to_json() for name, mean in self.means.items()},
        }
        return {name: t.detach().contiguous().clone() for name, t in tensors.items()}, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """The opposite of `state`. Raises DamagedCheckpoint if they are not a state of such a trainer."""
        try:
            self._restore(tensors, facts)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
            raise DamagedCheckpoint(f"The checkpoint is damaged: {type(error).__name__}: {error}.") from error

    def _restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        tensors = of_today(tensors, self.model, [seat.player for seat in self.seats])
        fill(self.model, tensors, "model/")
        if self.ema:
            fill(self.ema.model, tensors, "ema/")
        self.buffers.accept()
        self.clock.images, self.clock.steps = facts["images_seen"], facts["steps"]
        self.before = count(facts.get("before", self.images_seen))
        self.verdicts.restore(facts)
        factors, norms = facts.get("step_factors", {}), facts.get("norms", {})
        for seat in self.seats:
            seat.fill(tensors)
            seat.step_factor = float(factors.get(seat.player.name, 1.0))
            kinds = norms.get(seat.player.name, {})
            seat.norms = {str(kind): Norms([float(v) for v in values], self.device) for kind, values in kinds.items()}
        for name, mean in self.means.items():
            mean.from_json(facts["means"].get(name, {}))

    @property
    def means(self) -> dict[str, Mean]:
        return {"terms": self.terms, "gradient_norms": self.gradient_norms, "logged": self.logged}
