"""Where half precision must end: likelihoods, penalties, quantisers and sums of terms."""

from torch import Tensor


def full(x: Tensor) -> Tensor:
    """x in float32 if it was less; float32 and float64 stay as they are."""
    return x.float() if x.dtype.itemsize < 4 else x
