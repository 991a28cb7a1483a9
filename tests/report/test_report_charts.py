import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.report import charts
from ganvas.report.charts import line_chart, log_ticks, nice_ticks, thin, wants_logarithm
from ganvas.report.figures import duration, plain, short


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]


def test_no_finite_value_is_no_chart() -> None:
    assert line_chart("rate", {"train": []}) is None
    assert line_chart("rate", {"train": [(64, math.nan), (128, math.inf)]}) is None


def test_a_straight_line_is_straight() -> None:
    chart = line_chart("rate", {"train": [(x, 1 + 0.001 * x) for x in range(0, 1001, 100)]})
    assert chart is not None and not chart.logarithmic
    points = places(chart.curves[0].path)
    assert points[0][0] == chart.left and points[-1][0] == chart.right
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in itertools.pairwise(points)]
    assert slopes == pytest.approx([slopes[0]] * len(slopes), abs=0.01)
    assert slopes[0] < 0, "greater values are drawn higher"


def test_an_exponential_is_straight_on_the_logarithmic_axis_it_gets() -> None:
    chart = line_chart("norm", {"train": [(x, 10 ** (x / 200)) for x in range(0, 1001, 100)]})
    assert chart is not None and chart.logarithmic
    points = places(chart.curves[0].path)
    middle = points[len(points) // 2]
    assert middle[1] == pytest.approx((points[0][1] + points[-1][1]) / 2, abs=0.2)
    assert [tick.label for tick in chart.y_ticks] == ["1", "10", "100", "1k", "10k", "100k"]


def test_ticks_stand_at_the_values_they_name() -> None:
    chart = line_chart("rate", {"train": [(0, 0.0), (50_000, 20.0)]})
    assert chart is not None
    assert [tick.label for tick in chart.x_ticks] == ["0", "10k", "20k", "30k", "40k", "50k"]
    by_label = {tick.label: tick.at for tick in chart.y_ticks}
    assert by_label["0"] == places(chart.curves[0].path)[0][1]
    assert by_label["20"] == places(chart.curves[0].path)[1][1]


def test_a_gap_breaks_the_line_and_a_lone_point_is_a_dot() -> None:
    chart = line_chart("rate", {"train": [(1, 1.0), (2, 2.0), (3, math.nan), (4, 3.0)]})
    assert chart is not None
    assert chart.curves[0].path.count("M") == 1 and len(places(chart.curves[0].path)) == 2
    assert len(chart.curves[0].dots) == 3


def test_many_points_become_means_over_a_band() -> None:
    line = [(float(x), float(x % 2)) for x in range(10_000)]
    groups = thin(line)
    assert len(groups) <= charts.MAX_POINTS
    assert all(group.y == pytest.approx(0.5, abs=0.02) and (group.low, group.high) == (0, 1) for group in groups)
    chart = line_chart("noise", {"train": line})
    assert chart is not None and chart.curves[0].band.endswith("Z")


def test_when_a_logarithm_is_wanted() -> None:
    assert wants_logarithm([1, 1, 100])
    assert wants_logarithm([540, 110, 100, 98, 95]), "an early fall would flatten the rest"
    assert not wants_logarithm([1.0, 1.5, 2.0])
    assert not wants_logarithm([-1, 1, 1000])
    assert not wants_logarithm([0, 1, 1000])


@given(st.floats(-1e29, 1e29), st.floats(1e-9, 1e9))
def test_nice_ticks_are_few_and_inside(low: float, span: float) -> None:
    high = low + span * max(1.0, abs(low))
    ticks = nice_ticks(low, high, 5)
    room = (high - low) * 1e-6
    assert 2 <= len(ticks) <= 8
    assert all(low - room <= tick <= high + room for tick in ticks)


@given(st.floats(1e-25, 1e25), st.floats(1.01, 1e25))
def test_log_ticks_are_few_and_inside(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 9
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


@given(st.lists(st.tuples(st.integers(0, 10**14), st.floats()), max_size=30))
def test_any_values_at_all_are_drawn_inside_the_frame(points: list[tuple[int, float]]) -> None:
    chart = line_chart("wild", {"train": sorted((float(x), y) for x, y in points)})
    if chart is None:
        return
    drawn = [place for curve in chart.curves for place in places(curve.path)]
    assert all(chart.left - 0.2 <= x <= chart.right + 0.2 for x, _ in drawn)
    assert all(chart.top - 0.2 <= y <= chart.bottom + 0.2 for _, y in drawn)


def test_numbers_as_people_read_them() -> None:
    assert [plain(v) for v in (93.1234, 0.00131, -4.2e-7, 0.0, 12345.6, math.nan, -math.inf)] == [
        "93.12", "0.00131", "−4.2e−07", "0", "12,346", "not a number", "−∞",
    ]  # fmt: skip
    assert [short(v) for v in (0, 500, 2500, 1e6, 0.05, -20)] == ["0", "500", "2.5k", "1M", "0.05", "−20"]
    assert [duration(v) for v in (2.345, 41, 252, 3780, 190_800)] == [
        "2.3 s", "41 s", "4 min 12 s", "1 h 03 min", "2 d 5 h",
    ]  # fmt: skip
