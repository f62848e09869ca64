import os
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from dlx import api
from dlx.data.dataset import check, task_of
from dlx.data.images import SUFFIXES
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
    message = r"cat/2\.png: the image is 5 × 4 \(.*\), 0\.png is 6 × 4; give data\.size"
    with pytest.raises(DataError, match=message):
        load_dataset("image_folder", NOWHERE, path=folder)
    assert load_dataset("image_folder", NOWHERE, path=folder, size=4).inputs.shape[0] == 5


def test_images_of_16_bits_train_as_numbers(folder):
    Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(folder / "cat/2.png")
    made = load_dataset("image_folder", NOWHERE, path=folder, grey=True)
    check(made)
    assert made.inputs.dtype == np.float32 and (made.inputs[2] == 1).all()


def test_12_of_16_bits_are_the_whole_range_for_new_images_too(tmp_path):
    rng = np.random.default_rng(0)
    for name, darkest in (("dark", 0), ("light", 1500)):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for index in range(10):
            pixels = rng.integers(darkest, darkest + 2000, (4, 6)).astype(np.uint16)
            Image.fromarray(pixels).save(tmp_path / f"scans/{name}/{index}.png")
    data = {"name": "image_folder", "path": str(tmp_path / "scans"), "grey": True}
    made = load_dataset("image_folder", NOWHERE, path=tmp_path / "scans", grey=True)
    assert "use 12 of them: 4,095 is white, here and for new images" in made.notes[-1]
    first = np.asarray(Image.open(tmp_path / "scans/dark/0.png"))
    np.testing.assert_allclose(made.inputs[0], first / 4095, rtol=1e-6)
    config = {"name": "t", "data": data, "train": {"steps": 2, "batch_size": 4}}
    run = api.train(config, runs_dir=tmp_path / "runs")
    new = np.full((4, 6), 900, np.uint16)  # of 10 bits, were it judged anew
    Image.fromarray(new).save(tmp_path / "new.png")
    said = run.predict_file(tmp_path / "new.png")
    assert said.outputs is not None and said.inputs is not None
    np.testing.assert_allclose(said.outputs, run.predict(new[None] / 4095), rtol=1e-5)
    np.testing.assert_allclose(said.inputs, np.full((1, 24), 900 / 4095), rtol=1e-6)


def test_an_image_too_large_to_be_one_is_named(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"cat/0\.png: Image size \(24 pixels\) exceeds limit"):
        load_dataset("image_folder", NOWHERE, path=folder)


def test_folders_without_images(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no folder of images; the images of each class"):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "empty")
    with pytest.raises(DataError, match=r"none: no such folder; it should hold a folder of images"):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "none")
    with pytest.raises(DataError, match=r"0\.png: not a folder; it should hold a folder of images"):
        load_dataset("image_folder", NOWHERE, path=folder / "cat/0.png")
    with pytest.raises(DataError, match=r"cat: it holds 3 images but no folder of images; the ima"):
        load_dataset("image_folder", NOWHERE, path=folder / "cat")


def test_what_is_no_class_is_left_out_and_said(folder):
    for name in (".ipynb_checkpoints", "__MACOSX/cat", "fox", "notes"):
        (folder / name).mkdir(parents=True)
    Image.open(folder / "cat/0.png").save(folder / ".ipynb_checkpoints/0.png")
    Image.open(folder / "cat/0.png").save(folder / "cover.png")
    (folder / "notes/a.txt").touch()
    (folder / "cat/.DS_Store").touch()
    (folder / "cat/b.heic").touch()
    os.mkfifo(folder / "dog/2.png")
    made = load_dataset("image_folder", NOWHERE, path=folder)
    assert made.classes == ("cat", "dog") and len(made.inputs) == 5
    assert made.notes == (
        f"{folder} holds 5 images of 2 classes: cat (3), dog (2)",
        f"{folder}: left out 1 .heic files, 1 .txt files, 3 hidden files or folders, 1 special "
        f"files; images are read from {', '.join(SUFFIXES)} files",
        f"{folder}: no images in 'fox', 'notes', so it is no class",
        f"{folder}: left out 1 images that are in no class's folder, such as cover.png",
    )
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("train", "test"), ("path: {}/train", "test_path: {}/test")),
        (("Train", "val"), ("path: {}/Train", "dev_path: {}/val")),
        (
            ("training", "validation", "testing"),
            ("path: {}/training", "dev_path: {}/validation", "test_path: {}/testing"),
        ),
        (("train", "test", "unlabelled"), ("path: {}/train", "test_path: {}/test")),
        (("train",), ("path: {}/train",)),
    ],
)
def test_folders_that_are_parts_are_refused(folder, tmp_path, names, keys):
    for name in names:
        shutil.copytree(folder, tmp_path / "set" / name)
    cures = ", ".join(f"data.{key.format(tmp_path / 'set')}" for key in keys)
    with pytest.raises(DataError, match=f"parts, not classes .*; write {re.escape(cures)}$"):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "set")


def test_one_part_name_among_classes_is_a_class(folder):
    shutil.copytree(folder / "dog", folder / "train")
    made = load_dataset("image_folder", NOWHERE, path=folder)
    assert made.classes == ("cat", "dog", "train")


def test_a_folder_around_the_classes_is_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "download/pets")
    message = r"download holds one folder, 'pets', whose own .*; write data\.path: .*download/pets$"
    with pytest.raises(DataError, match=message):
        load_dataset("image_folder", NOWHERE, path=tmp_path / "download")


def test_parts_by_any_name_are_warned_of(folder, tmp_path):
    sets = tmp_path / "sets"
    for part in ("학습", "시험"):
        shutil.copytree(folder, sets / part)
    made = load_dataset("image_folder", NOWHERE, path=sets)
    assert made.classes == ("시험", "학습")
    assert made.warnings == (
        f"{sets}: the classes '시험', '학습' hold folders of the same names ('cat', 'dog'), which "
        f"tell nothing; if these are the classes, write data.path: {sets / '시험'}, and the other "
        "folders as data.dev_path or data.test_path",
    )
    shutil.rmtree(sets / "학습/cat")  # breeds of their own are no parts
    assert load_dataset("image_folder", NOWHERE, path=sets).warnings == ()


def test_a_dev_part_of_its_own(folder, tmp_path):
    for part, number in (("val", 1), ("test", 2)):
        (tmp_path / part / "dog").mkdir(parents=True)
        for index in range(number):
            shutil.copy(folder / "dog/1.png", tmp_path / part / f"dog/{index}.png")
    made = load_dataset(
        *("image_folder", NOWHERE),
        path=folder,
        dev_path=tmp_path / "val",
        test_path=tmp_path / "test",
    )
    assert (made.dev_rows, made.test_rows) == (1, 2)
    assert made.targets.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_images_that_are_all_the_same_are_warned_of(folder):
    for file in folder.glob("*/*.png"):
        Image.new("RGBA", (6, 4), (255, 255, 255, 40)).save(file)
    made = load_dataset("image_folder", NOWHERE, path=folder)
    assert made.warnings == (
        f"{folder}: all 5 images are the same; if they are drawn in the colour of "
        "data.background, white, choose another",
    )
    made = load_dataset("image_folder", NOWHERE, path=folder, background="black")
    assert (made.inputs == 40).all()


def test_images_that_show_nothing_are_said(folder):
    strokes = Image.new("RGBA", (6, 4), (255, 255, 255, 0))
    strokes.paste((255, 255, 255, 255), (1, 1, 4, 2))
    strokes.save(folder / "dog/0.png")
    remark = (
        f"{folder}: images that show one colour throughout: 1 of 5, such as 0.png; if they are "
        "drawn in the colour of data.background, white, choose another"
    )
    assert load_dataset("image_folder", NOWHERE, path=folder).notes[1:] == (remark,)
    seen = load_dataset("image_folder", NOWHERE, path=folder, background="black")
    assert len(seen.notes) == 1 and not seen.warnings


def test_torchvision_is_imported_for_nothing_else():
    import subprocess

    code = "import sys, dlx.data.sources; print('torchvision' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
