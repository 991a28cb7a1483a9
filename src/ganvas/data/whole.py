"""All examples of a source, in the order in which they stand there."""

import torch

from ganvas.data.dataset import Data, Split


def whole(data: Data) -> tuple[Split, tuple[str, ...]]:
    """Training and held-out examples together in the source's order, and the names of their files if it has files."""
    first, second = data.train, data.held_out
    together = Split(
        torch.cat([first.x, second.x]),
        None if first.y is None or second.y is None else torch.cat([first.y, second.y]),
        None if first.text is None or second.text is None else (*first.text, *second.text),
    )
    if data.order is None:
        return together, data.files
    rows = data.order.argsort()
    return together.select(rows), tuple(data.files[i] for i in rows.tolist()) if data.files else ()
