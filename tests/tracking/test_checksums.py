import random

import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c, masked_crc32c

from dlx.tracking.checksums import checksum, contributions, crc


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 8, 70, 1023, 1024, 1025, 1027, 1028, 5000])
def test_the_checksum_is_that_of_tensorboard(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert crc(data) == crc32c(data)
    assert int.from_bytes(checksum(data), "little") == masked_crc32c(data)


@pytest.mark.parametrize("num_bytes", [0, 1, 1024, 1025, 3000])
def test_bytes_contribute_by_their_distance_from_the_end(num_bytes: int) -> None:
    table = contributions(num_bytes)
    assert len(table) >= num_bytes
    changed = bytearray(num_bytes + 1)
    for distance in {0, num_bytes // 2, num_bytes - 1} - {-1}:
        changed[num_bytes - distance] = 77
        difference = crc(bytes(changed)) ^ crc(bytes(num_bytes + 1))
        assert difference == table[distance, 77]
        changed[num_bytes - distance] = 0
