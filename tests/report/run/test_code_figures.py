import numpy as np
import pytest

from dlx.report.run.code_figures import code_units
from dlx.report.run.reconstruction import Codes


@pytest.mark.parametrize(
    "values", [(1.0, 1.0 + 2**-23), (0.0, 1e-45), (1e30, 1.0000001e30), (2, 2)]
)
def test_a_code_that_hardly_varies_is_drawn(values: tuple[float, float]) -> None:
    codes = np.array([values, values[::-1]], np.float32)
    figure = code_units(Codes(codes, None, (), None, np.ones(2, np.float32)), "title")
    heights = [patch.get_height() for patch in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert sum(heights) == 4
