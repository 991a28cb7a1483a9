"""Random numbers are drawn by `rng`: torch's own calls do not know how many processes share a batch.

A call of torch's own inside a step draws other numbers on two processes than on one. So the source may not hold any, but
for those with a generator of their own and for initial weights, which are made from the seed before the first step.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "ganvas"

DRAWS = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"),
    *("bernoulli", "multinomial", "normal", "poisson", "binomial"),
}
IN_PLACE = {f"{name}_" for name in ("normal", "uniform", "bernoulli", "random", "exponential", "cauchy")}
IN_PLACE |= {"geometric_", "log_normal_", "bernoulli", "multinomial"}
LAYERS = {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "RReLU"}
LAYERS |= {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "gumbel_softmax", "rrelu"}
SAFE_DISTRIBUTIONS = {"Distribution", "kl_divergence", "register_kl", "constraints"}
"""Of torch.distributions, what does not draw. Our own classes draw by `rng`: see distributions.py."""

ALLOWED = {
    ("rng.py", ""): "names of layers; none is called",
    ("rng.py", "randn"): "this is what draws",
    ("rng.py", "rand"): "this is what draws",
    ("likelihood.py", "pseudo_inputs"): "initial weights",
    ("memory.py", ""): "names of functions that make tensors; none is called",
}
"""Keys are a file's name and the function in it. Free besides: nn.init, and what a constructor draws."""


def offences(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Function, line and what is wrong, of every random call that is not `rng`'s."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        wrong = offence(node, parents.get(node))
        function = place(node, parents)
        if wrong and not function.endswith("__init__"):
            yield function, getattr(node, "lineno", 0), wrong


def offence(node: ast.AST, parent: ast.AST | None) -> str | None:
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        if node.module == "torch.distributions" and names - SAFE_DISTRIBUTIONS:
            return f"torch.distributions.{min(names - SAFE_DISTRIBUTIONS)} draws with torch's own generator"
        if node.module == "torch" and names & DRAWS:
            return f"torch.{min(names & DRAWS)} is imported by name"
        return "the module random" if node.module == "random" else None
    if isinstance(node, ast.Import):
        return "the module random" if any(alias.name == "random" for alias in node.names) else None
    if not isinstance(node, ast.Attribute):
        return None
    whole = ast.unparse(node)
    if whole.startswith(("nn.init.", "torch.nn.init.")):
        return None
    if whole.startswith("torch.distributions.") and node.attr not in SAFE_DISTRIBUTIONS:
        return f"{whole} draws with torch's own generator"
    if whole.startswith(("np.random.", "numpy.random.")):
        seeded = node.attr == "default_rng" and isinstance(parent, ast.Call) and bool(parent.args)
        return None if seeded or node.attr == "Generator" else f"{whole} without a seed"
    if node.attr in LAYERS and whole.split(".")[0] in ("nn", "F", "torch"):
        return f"{whole} draws with torch's own generator"
    of_torch = whole.startswith("torch.") and node.attr in DRAWS and whole.count(".") == 1
    called = isinstance(parent, ast.Call) and parent.func is node
    if not of_torch and not (called and node.attr in IN_PLACE):
        return None
    assert parent is not None
    has_own = called and any(keyword.arg == "generator" for keyword in parent.keywords)
    return None if has_own else f"{whole} without a generator"


def place(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    """The function around a node, with its class."""
    names: list[str] = []
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
    return ".".join(reversed(names))


def found() -> list[tuple[Path, str, int, str]]:
    return [(path, *found) for path in sorted(ROOT.rglob("*.py")) for found in offences(ast.parse(path.read_text()))]


def test_random_numbers_are_drawn_by_rng() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path, function, line, what in found()
        if (path.name, function) not in ALLOWED
    ]
    assert not wrong, "draw by ganvas.rng instead:\n" + "\n".join(wrong)


def test_every_exception_is_still_needed() -> None:
    assert {(path.name, function) for path, function, _, _ in found()} == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "torch.rand_like(x)",
        "torch.randn(3, device=d)",
        "torch.multinomial(w, 1)",
        "draw = torch.randn",
        "x.normal_()",
        "x.bernoulli()",
        "nn.Dropout(0.5)",
        "F.dropout(x)",
        "torch.nn.functional.gumbel_softmax(x)",
        "torch.distributions.Normal(0, 1).sample()",
        "from torch.distributions import Normal",
        "from torch import randn",
        "np.random.rand(3)",
        "np.random.default_rng()",
        "import random",
    ],
)
def test_such_a_line_is_found(line: str) -> None:
    assert list(offences(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "torch.rand(3, generator=g)",
        "x.normal_(generator=g)",
        "rng.randn(3, like=x)",
        "q.rsample()",
        "nn.init.normal_(x)",
        "class A:\n    def __init__(self):\n        self.w = torch.randn(3)",
        "np.random.default_rng(derive(seed))",
        "from torch.distributions import Distribution",
    ],
)
def test_such_a_line_is_right(line: str) -> None:
    assert not list(offences(ast.parse(line)))
