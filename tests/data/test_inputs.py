import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlx.data.dataset import Task
from dlx.data.inputs import read, read_images
from dlx.errors import DataError

TABLE = Task("multiclass", 3, 3, ("a", "b", "c"), (3,))
FEATURES = ("width", "height", "depth")
GREY = Task("multiclass", 6, 3, ("a", "b", "c"), (2, 3))
RGB = Task("multiclass", 18, 3, ("a", "b", "c"), (3, 2, 3))
ROWS = np.array([[1, 2, 3], [4, 5.5, -6]], dtype=np.float32)


@pytest.fixture
def csv_file(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "rows.csv"
        path.write_text(text, encoding=encoding, newline="")
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5.5,-6\n",
        "1, 2 ,3\r\n\r\n4,5.5,-6e0",
        "width,height,depth\n1,2,3\n4,5.5,-6\n",
        'id,depth,"height",width,note\n7,3,2,1,x\n8,-6,5.5,4,"y,z"\n',
        "\ufeffwidth,height,depth\n1,2,3\n4,5.5,-6\n",
        "1;2;3\n4;5.5;-6\n",
    ],
)
def test_csv_by_name_or_without_a_header(csv_file, text):
    inputs = read(csv_file(text), TABLE, FEATURES)
    np.testing.assert_array_equal(inputs, ROWS)
    assert inputs.dtype == np.float32


@pytest.mark.parametrize("header", ["", "x,y,z\n", "depth,height,width\n"])
def test_csv_by_position_where_the_data_has_no_names(csv_file, header):
    np.testing.assert_array_equal(read(csv_file(header + "1,2,3\n4,5.5,-6"), TABLE, None), ROWS)


def test_csv_with_features_called_by_numbers(csv_file):
    inputs = read(csv_file("2,1,0\n1,2,3\n"), TABLE, ("0", "1", "2"))
    np.testing.assert_array_equal(inputs, [[3, 2, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,five,6\n", "row 2, column 'height': 'five' is not a number"),
        ("1,2,3\n\n4,,6\n", "row 3, column 'height': the value is missing"),
        ("1,2,nan\n", "row 1, column 'depth': 'nan' is not a number"),
        ("1,2,-inf\n", "column 'depth': '-inf' is not a number"),
        ("1,2,1e39\n", "column 'depth': '1e39' is not a finite"),
        ("1,2,1_0\n", "column 'depth': '1_0' is not a number"),
        ("1,2\n", "row 1: 2 values instead of 3"),
        ("1,2,3\n4,5,6,7\n", "row 2: 4 values instead of 3"),
        ("id,width,height,depth\n1,2,3\n", "row 2: 3 values instead of 4"),
        ("width,hight,depth\n1,2,3\n", "no column 'height'; did you mean 'hight'"),
        ("width,height,depth,width\n1,2,3,4\n", "more than one column 'width'"),
        ("width,height,depth\n", "a header but no rows"),
        ("\n\n", "no row"),
        ("", "no row"),
    ],
)
def test_csv_errors_name_line_and_column(csv_file, text, message):
    with pytest.raises(DataError, match=message) as raised:
        read(csv_file(text), TABLE, FEATURES)
    assert "rows.csv" in str(raised.value)


def test_csv_in_another_encoding(csv_file):
    path = csv_file("Höhe,Breite,Tiefe\n1,2,3\n", encoding="latin-1")
    np.testing.assert_array_equal(read(path, TABLE, ("Breite", "Höhe", "Tiefe")), [[2, 1, 3]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, ">f4"])
def test_npy_and_npz(tmp_path, dtype):
    rows = np.arange(6).reshape(2, 3).astype(dtype)
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "one.npz", rows)
    np.savez_compressed(tmp_path / "two.npz", inputs=rows, ids=np.arange(2))
    for name in ("rows.npy", "one.npz", "two.npz"):
        inputs = read(tmp_path / name, TABLE, FEATURES)
        np.testing.assert_array_equal(inputs, [[0, 1, 2], [3, 4, 5]])
        assert type(inputs) is np.ndarray and inputs.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 6), (1, 2, 3)])
def test_arrays_of_images(tmp_path, shape):
    np.save(tmp_path / "image.npy", np.full(shape, 51, dtype=np.uint8))
    np.testing.assert_allclose(read(tmp_path / "image.npy", GREY, None), np.full((1, 6), 0.2))
    np.save(tmp_path / "image.npy", np.full(shape, 0.2))
    np.testing.assert_allclose(read(tmp_path / "image.npy", GREY, None), np.full((1, 6), 0.2))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4)), r"shape \(2, 4\) instead of \(N, 3\)"),
        (np.zeros(()), r"shape \(\) instead of"),
        (np.zeros((0, 3)), "no rows"),
        (np.array([["a", "b", "c"]]), "holds <U1, not numbers"),
        (np.zeros((1, 3), dtype=complex), "holds complex128, not numbers"),
        (np.array([[0, 0, 0], [0, np.nan, 0]]), r"row 1 \(the first is 0\), column 'height': nan"),
        (np.array([[0, 0, 1e39]]), r"column 'depth': 1e\+39 is not a finite"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_do_not_fit(tmp_path, array, message, suffix):
    path = tmp_path / f"rows{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        np.savez(path, array)
    with pytest.raises(DataError, match=message):
        read(path, TABLE, FEATURES)


def test_the_shapes_of_an_image_are_named(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((1, 5)))
    with pytest.raises(DataError, match=r"shape \(1, 5\) instead of \(N, 6\) or \(N, 2, 3\)"):
        read(tmp_path / "rows.npy", GREY, None)


def lying_header(path):
    np.save(path, np.zeros((1, 3)))
    path.write_bytes(path.read_bytes().replace(b"(1, 3), }      ", b"(9999999, 3), }", 1))


def pickled(path):
    np.save(path, np.array([{}, {}, {}], dtype=object), allow_pickle=True)


def truncated(path):
    np.save(path, np.zeros((100, 3)))
    path.write_bytes(path.read_bytes()[:-8])


def foreign(path):
    path.write_bytes(b"width,height")


def empty(path):
    path.touch()


@pytest.mark.parametrize("damage", [lying_header, pickled, truncated, foreign, empty])
def test_damaged_arrays(tmp_path, damage):
    path = tmp_path / "rows.npy"
    damage(path)
    with pytest.raises(DataError, match=r"rows\.npy: not an npy file of numbers"):
        read(path, TABLE, FEATURES)
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        archive.write(path, "rows.npy")
    with pytest.raises(DataError, match=r"rows\.npz: "):
        read(tmp_path / "rows.npz", TABLE, FEATURES)


def test_archives_that_are_none_or_hold_too_much(tmp_path):
    path = tmp_path / "rows.npz"
    path.write_bytes(b"PK\3\4 and so on")
    with pytest.raises(DataError, match=r"rows\.npz: not an npz file"):
        read(path, TABLE, None)
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "rows.npy").rename(path)
    with pytest.raises(DataError, match=r"rows\.npz: not an npz file"):
        read(path, TABLE, None)
    np.savez(path)
    with pytest.raises(DataError, match="holds no array; call the array to read 'inputs'"):
        read(path, TABLE, None)
    np.savez(path, a=ROWS, b=ROWS)
    with pytest.raises(DataError, match="holds 'a', 'b'; call the array to read 'inputs'"):
        read(path, TABLE, None)


@pytest.mark.parametrize("shape", [(1, 2, 3, 3), (2, 3, 3), (1, 3, 2, 3), (3, 2, 3), (18,)])
def test_arrays_of_images_with_channels_first_or_last(tmp_path, shape):
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
    first = pixels.transpose(2, 0, 1)
    is_last = shape[-3:] == (2, 3, 3)
    np.save(tmp_path / "x.npy", (pixels if is_last else first).reshape(shape))
    expected = first.reshape(1, 18) / F255
    channels = "last" if is_last else "first"
    np.testing.assert_allclose(read(tmp_path / "x.npy", RGB, None, channels=channels), expected)


F255 = np.float32(255)
PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


def test_images_become_grey_or_rgb(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(PIXELS).save(path)
    rows = read_images(path, RGB, {})
    np.testing.assert_array_equal(rows.inputs, PIXELS.transpose(2, 0, 1).reshape(1, 18) / F255)
    assert (rows.files, rows.notes) == ((str(path),), ())
    grey = np.asarray(Image.fromarray(PIXELS).convert("L")).reshape(1, 6) / F255
    np.testing.assert_array_equal(read_images(path, GREY, {}).inputs, grey)


def test_images_are_scaled_and_laid_on_a_ground_as_in_training(tmp_path):
    path = tmp_path / "image.bmp"
    Image.fromarray(PIXELS).resize((9, 8)).save(path)
    assert read_images(path, GREY, {"size": [2, 3]}).inputs.shape == (1, 6)
    Image.new("RGBA", (3, 2)).save(tmp_path / "clear.png")
    clear = tmp_path / "clear.png"
    assert (read_images(clear, GREY, {}).inputs == 1).all()
    assert (read_images(clear, GREY, {"background": "black"}).inputs == 0).all()


def test_a_folder_of_images(tmp_path):
    for name, value in (("b.png", 51), ("a.JPG", 102), ("more/c.gif", 0)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        form = "jpeg" if name == "a.JPG" else None
        Image.fromarray(np.full((2, 3), value, dtype=np.uint8)).save(tmp_path / name, format=form)
    (tmp_path / "notes.txt").touch()
    rows = read_images(tmp_path, GREY, {})
    assert rows.files == ("a.JPG", "b.png", str(Path("more/c.gif")))
    np.testing.assert_allclose(rows.inputs[:, 0], [0.4, 0.2, 0], atol=0.01)
    [note] = rows.notes
    assert note.startswith(f"{tmp_path}: left out 1 .txt files")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none: no image in this folder$"):
        read_images(tmp_path / "none", GREY, {})


def test_images_that_do_not_fit(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(PIXELS.transpose(1, 0, 2).copy()).save(path)
    message = r"is 2 wide and 3 high, the network reads 3 × 2; resize it, or train with data\.size"
    with pytest.raises(DataError, match=message):
        read_images(path, GREY, {})
    with pytest.raises(DataError, match="the network reads 3 numbers, not an image"):
        read_images(path, TABLE, {})
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        read_images(tmp_path / "none.png", GREY, {})
    path.write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"image\.png: not an image"):
        read_images(path, GREY, {})


def test_other_files(tmp_path):
    with pytest.raises(DataError, match=r"inputs are read from \.csv, \.npy"):
        read(tmp_path / "rows.xlsx", TABLE, None)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "rows.csv", TABLE, None)
