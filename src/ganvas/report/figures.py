"""Numbers as text for readers."""

import math

MINUS = "−"


def plain(value: float, digits: int = 4) -> str:
    """`digits` significant digits; an exponent only for very small or large numbers: 93.12, 0.0013, −4.2e−07."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.{digits - 1}g}"
    return text.replace("-", MINUS)


def short(value: float) -> str:
    """For an axis: 0, 500, 2.5k, 1M, 0.05."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # Do not mix 10k with 1,000 on one axis.
        if abs(value) >= size:
            return plain(value / size, 4) + letter
    return plain(value, 3)


def count(value: float) -> str:
    """50,000"""
    return f"{value:,.0f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """41 s, 4 min 12 s, 1 h 03 min, 2 d 5 h."""
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"
