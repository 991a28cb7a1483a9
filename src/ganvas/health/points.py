"""What a detector asks of a piece of a series: its least, its median, whether it falls."""

import statistics

from ganvas.health.course import Points


def start(points: Points) -> int:
    return points[0][0]


def values(points: Points) -> list[float]:
    return [value for _, value in points]


def low(points: Points) -> float:
    return min(values(points))


def high(points: Points) -> float:
    return max(values(points))


def typical(points: Points) -> float:
    return statistics.median(values(points))


def size(points: Points) -> float:
    return statistics.median(abs(value) for value in values(points))


def older(points: Points) -> float:
    """The median of the older half."""
    return typical(points[: len(points) // 2])


def newer(points: Points) -> float:
    return typical(points[len(points) // 2 :])


def stuck(points: Points, share: float) -> bool:
    """Whether a series that should fall has not fallen below that share."""
    return newer(points) >= share * older(points)
