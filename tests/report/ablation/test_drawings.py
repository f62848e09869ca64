import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from dlx.errors import StorageError
from dlx.report.ablation.page import draw_all, write_all
from tests.guarded import PICTURES
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def test_pictures_are_files_of_the_size_that_the_page_gives_them(
    two: Synthetic, tmp_path: Path
) -> None:
    drawings = draw_all(*two)
    assert [drawing.name for drawing in drawings] == [
        "forest",
        "success",
        "curves",
        "steps_to_dev_accuracy",
        "seeds",
    ]
    encoded = write_all(tmp_path / "figures", drawings, "Each variant: 5 seeds.")
    for drawing in drawings:
        pixels = imread(io.BytesIO(encoded[drawing.name]))
        assert pixels.shape[:2] == drawing.pixels[::-1]
        assert pixels[..., :3].std() > 0.01
        whole = imread(tmp_path / "figures" / f"{drawing.name}.png")
        assert (whole[: len(pixels)] == pixels[..., :3]).all()
        below = whole[len(pixels) :]  # the caption, which ends before the right side
        assert below.std() > 0.01 and (below[:, -5:] == 1).all()


def test_keys_of_a_user_are_files_of_their_own(two: Synthetic, tmp_path: Path) -> None:
    [drawing, *_] = draw_all(*two)
    names = ["numeric_data.Size", "numeric_data.size", "numeric_a/../b"]
    write_all(tmp_path, [replace(drawing, name=name, caption="") for name in names], "")
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {
        f"{name}.png" for name in (f"{names[0]} #1", f"{names[1]} #2", "numeric_a_.._b #3")
    }


def test_a_folder_that_cannot_be_made_is_a_storage_error(two: Synthetic, tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(StorageError, match="figures"):
        write_all(tmp_path / "figures", draw_all(*two), "Each variant: 5 seeds.")


@pytest.mark.slow(*PICTURES)
@pytest.mark.parametrize("seeds", [1, 3])
def test_anything_can_be_drawn(seeds: int) -> None:
    """Long names, one seed, one variant, all diverged: no picture fails or warns."""
    name = "a_very_long_name_of_a_plug_in_that_goes_on_and_on" * 2
    for variants in (
        synthetic.grid(model__activation=[name, "relu"], model__init=[name, "{std: 0.1}"]),
        synthetic.grid(model__activation=["relu"]),
    ):
        for status in ("completed", "diverged", "stopped_early"):
            runs = synthetic.results(
                variants,
                seeds,
                lambda s, seed: 0.9 + 0.01 * seed * len(s["model.activation"]),
                status=lambda variant, seed, status=status: status,
                threshold=0.5,
            )
            for drawing in draw_all(synthetic.summary(variants, runs, steps_to=0.5), runs):
                assert drawing.png().startswith(b"\x89PNG")
