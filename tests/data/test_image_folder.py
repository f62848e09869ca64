import sys

import numpy as np
import pytest
from PIL import Image

from dlx.data.dataset import check, task_of
from dlx.data.pipeline import load_dataset
from dlx.errors import DataError, MemoryLimitError
from tests.data.made import NOWHERE


@pytest.fixture
def folder(tmp_path):
    """Three cats and two dogs, 6 wide and 4 high; pixel (0, 0) is the number of the image."""
    for name, number in (("cat", 3), ("dog", 2)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(number):
            pixels = np.full((4, 6, 3), (200, 100, 0), dtype=np.uint8)
            pixels[0, 0] = index
            Image.fromarray(pixels).save(tmp_path / f"pets/{name}/{index}.png")
    return tmp_path / "pets"


def test_images_of_each_class(folder):
    made = load_dataset("image_folder", NOWHERE, path=folder)
    check(made)
    assert made.name == "pets" and made.classes == ("cat", "dog")
    assert made.inputs.shape == (5, 3, 4, 6) and made.inputs.dtype == np.uint8
    assert made.inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]
    assert made.inputs[0, :, 1, 1].tolist() == [200, 100, 0]
    assert made.targets.tolist() == [0, 0, 0, 1, 1]
    assert task_of(made).input_shape == (3, 4, 6)


def test_grey_and_size(folder):
    made = load_dataset("image_folder", NOWHERE, path=folder, grey=True, size=[2, 3])
    assert made.inputs.shape == (5, 2, 3)
    assert abs(int(made.inputs[0, 1, 1]) - (0.299 * 200 + 0.587 * 100)) < 1
    assert load_dataset("image_folder", NOWHERE, path=folder, size=8).inputs.shape[1:] == (3, 8, 8)


def test_images_beyond_the_memory_are_refused_before_one_is_scaled(folder):
    message = r"data\.size: 5 images of 10,000,000 × 1,000,000 pixels take .*; lower data\.size"
    with pytest.raises(MemoryLimitError, match=message):
        load_dataset("image_folder", NOWHERE, path=folder, size=[10_000_000, 1_000_000])


def test_a_test_part_of_its_own(folder, tmp_path):
    (tmp_path / "more/dog").mkdir(parents=True)
    Image.open(folder / "dog/1.png").save(tmp_path / "more/dog/a.png")
    made = load_dataset("image_folder", NOWHERE, path=folder, test_path=tmp_path / "more")
    assert made.test_rows == 1 and made.targets.tolist() == [0, 0, 0, 1, 1, 1]
    (tmp_path / "more/dog").rename(tmp_path / "more/fox")
    with pytest.raises(DataError, match=r"more: class 'fox' has no folder in .*pets, which has 'c"):
        load_dataset("image_folder", NOWHERE, path=folder, test_path=tmp_path / "more")


def test_a_broken_image_is_named(folder):
    whole = (folder / "dog/1.png").read_bytes()
    for content in (whole[:60], b"", b"not an image", whole.replace(b"IDAT", b"IDAX")):
        (folder / "dog/1.png").write_bytes(content)
        with pytest.raises(DataError, match=r"pets/dog/1\.png: not an image that can be read \("):
            load_dataset("image_folder", NOWHERE, path=folder)


def test_an_image_of_another_size_is_named(folder):
    Image.new("RGB", (5, 4)).save(folder / "cat/2.png")
    message = r"cat/2\.png: the image is 5 wide and 4 high, 0\.png is 6 × 4; give data\.size"
    with pytest.raises(DataError, match=message):
        load_dataset("image_folder", NOWHERE, path=folder)
    assert load_dataset("image_folder", NOWHERE, path=folder, size=4).inputs.shape[0] == 5


def test_an_image_of_more_than_8_bits_is_named(folder):
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(folder / "cat/2.png")
    with pytest.raises(DataError, match=r"cat/2\.png: more than 8 bits per pixel; save it with 8"):
        load_dataset("image_folder", NOWHERE, path=folder)


def test_an_image_too_large_to_be_one_is_named(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"cat/0\.png: Image size \(24 pixels\) exceeds limit"):
        load_dataset("image_folder", NOWHERE, path=folder)


def test_folders_without_images(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: Couldn't find any class folder .*; it should"):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "empty")
    with pytest.raises(DataError, match=r"none: No such file or directory; it should hold a f"):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "none")
    (folder / "fox").mkdir()
    with pytest.raises(DataError, match=r"pets: Found no valid file for the classes fox\."):
        load_dataset("image_folder", NOWHERE, path=folder)


def test_torchvision_is_imported_for_nothing_else():
    import subprocess

    code = "import sys, dlx.data.sources; print('torchvision' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
