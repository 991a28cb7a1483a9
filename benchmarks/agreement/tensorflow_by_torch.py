"""The few functions of TensorFlow 1 that ProGAN's and StyleGAN's programs call, by torch, for images with channels first."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

float32 = torch.float32
_variables: dict[str, Tensor] = {}
_scope: list[str] = []


class Dim(int):
    @property
    def value(self) -> int:
        return int(self)


class Shape(tuple[Dim, ...]):
    @property
    def ndims(self) -> int:
        return len(self)


class Symbol(Tensor):
    """A tensor whose shape has entries with `.value`."""

    @property
    def shape(self) -> Any:
        return Shape(Dim(n) for n in self.size())

    def set_shape(self, shape: Any) -> None:
        pass

    def __iadd__(self, other: Any) -> Any:  # not in place: the sum may have another shape
        return self + other

    def __isub__(self, other: Any) -> Any:
        return self - other


def tensor(x: Tensor) -> Symbol:
    return x.as_subclass(Symbol)


@contextmanager
def variables(store: dict[str, Tensor]) -> Generator[None]:
    """Within this context, variables are kept in `store`, by their full names."""
    global _variables
    before, _variables = _variables, store
    try:
        yield
    finally:
        _variables = before


@contextmanager
def variable_scope(name: str) -> Generator[None]:
    _scope.append(name)
    try:
        yield
    finally:
        _scope.pop()


@contextmanager
def name_scope(name: str) -> Generator[None]:
    yield


def get_variable(name: str, shape: Sequence[int] = (), initializer: Any = None, trainable: bool = True) -> Tensor:
    """Normal numbers, also for biases, so that a comparison notices them."""
    path = "/".join([*_scope, name])
    if path not in _variables:
        scale = 0.3 if name == "bias" else 1.0
        _variables[path] = tensor(scale * torch.randn([int(n) for n in shape])).requires_grad_()
    return _variables[path]


class initializers:
    @staticmethod
    def random_normal(*args: Any) -> None: ...

    @staticmethod
    def zeros() -> None: ...

    @staticmethod
    def ones() -> None: ...


def constant(value: Any, name: str = "", dtype: Any = None) -> Any:
    return torch.as_tensor(value) if getattr(value, "ndim", 0) else float(value)


def custom_gradient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function's value; its gradient is torch's own."""
    return lambda x: function(x)[0]


def transpose(x: Tensor, order: Sequence[int]) -> Tensor:
    return x.permute(list(order))


def cast(x: Any, dtype: Any) -> Any:
    return x


def as_dtype(name: Any) -> Any:
    return torch.float32


def identity(x: Tensor, name: str = "") -> Tensor:
    return x


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape([int(n) for n in shape])


def tile(x: Tensor, times: Sequence[int]) -> Tensor:
    return x.repeat([int(n) for n in times])


def pad(x: Tensor, widths: Sequence[Sequence[int]], mode: str = "CONSTANT") -> Tensor:
    return F.pad(x, [n for pair in reversed(widths) for n in pair])


def add_n(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def concat(parts: Sequence[Tensor], axis: int) -> Tensor:
    return torch.cat(list(parts), axis)


def shape(x: Tensor) -> Any:
    return x.shape


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def maximum(a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(a, b)


def minimum(a: int, b: int) -> int:
    return min(a, b)


def clip_by_value(x: Tensor, low: float, high: float) -> Tensor:
    return x.clamp(low, high)


def square(x: Tensor) -> Tensor:
    return x.square()


def sqrt(x: Tensor) -> Tensor:
    return x.sqrt()


def rsqrt(x: Tensor) -> Tensor:
    return x.rsqrt()


def reduce_mean(x: Tensor, axis: Any, keepdims: bool = False) -> Tensor:
    return x.mean(axis, keepdim=keepdims)


def reduce_sum(x: Tensor, axis: Any = None) -> Tensor:
    return x.sum() if axis is None else x.sum(axis)


def random_normal(shape: Sequence[int]) -> Tensor:
    return tensor(torch.randn([int(n) for n in shape]))


def random_uniform(shape: Sequence[int], low: float, high: float, dtype: Any = None) -> Tensor:
    return tensor(torch.rand([int(n) for n in shape]) * (high - low) + low)


def gradients(of: Tensor, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return torch.autograd.grad(of, list(inputs), create_graph=True)


def cond(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    return yes() if condition else no()


class nn:
    @staticmethod
    def conv2d(x: Tensor, w: Tensor, strides: Sequence[int], padding: str, data_format: str) -> Tensor:
        stride, size = strides[2], w.size(0)
        return F.conv2d(x, w.permute(3, 2, 0, 1), stride=stride, padding=(size - stride + 1) // 2)

    @staticmethod
    def conv2d_transpose(
        x: Tensor, w: Tensor, size: Any, strides: Sequence[int], padding: str, data_format: str
    ) -> Tensor:
        stride = strides[2]
        return F.conv_transpose2d(x, w.permute(3, 2, 0, 1), stride=stride, padding=(w.size(0) - stride) // 2)

    @staticmethod
    def depthwise_conv2d(x: Tensor, w: Tensor, strides: Sequence[int], padding: str, data_format: str) -> Tensor:
        stride, size = strides[2], w.size(0)
        kernel = w.permute(2, 3, 0, 1)
        return F.conv2d(x, kernel, stride=stride, padding=(size - stride + 1) // 2, groups=x.size(1))

    relu = F.relu

    @staticmethod
    def avg_pool(x: Tensor, ksize: Sequence[int], strides: Sequence[int], padding: str, data_format: str) -> Tensor:
        return F.avg_pool2d(x, ksize[2], strides[2])
