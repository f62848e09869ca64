"""The checksum of TFRecord files: masked CRC-32C (Castagnoli), vectorized.

A CRC is linear over GF(2): what a byte adds to it depends on the byte and on its distance from the
end alone, and the contributions of all bytes are joined by XOR.
"""

import functools
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78
_BLOCK = 1024  # bytes that are looked up at once: 1 MiB of tables
_START = 0xFFFFFFFF


def contributions(num_bytes: int) -> np.ndarray:
    """Return what a byte adds to the CRC of its record: (distance from the end, 256) uint32.

    Args:
        num_bytes: of the record; there are at least as many distances
    """
    return _contributions(max(_BLOCK, 1 << (num_bytes - 1).bit_length()))


@functools.cache
def _contributions(num_distances: int) -> np.ndarray:
    byte = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        byte = byte >> 1 ^ np.where(byte & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    table = np.empty((num_distances, 256), dtype=np.uint32)
    table[0] = byte
    for distance in range(1, num_distances):
        further = table[distance - 1]
        table[distance] = byte[further & 0xFF] ^ further >> 8
    return table


def crc(data: bytes) -> int:
    """Return the CRC-32C of bytes, not masked.

    Reference: RFC 3720, appendix B.4.
    """
    table = contributions(_BLOCK)
    state = _START
    for start in range(0, len(data), _BLOCK):
        block = np.frombuffer(data[start : start + _BLOCK], dtype=np.uint8).copy()
        # The state so far counts as if it were added to the next four bytes.
        carried = min(4, len(block))
        block[:carried] ^= np.frombuffer(state.to_bytes(4, "little"), dtype=np.uint8)[:carried]
        distances = np.arange(len(block) - 1, -1, -1)
        state = int(np.bitwise_xor.reduce(table[distances, block])) ^ state >> 8 * carried
    return state ^ _START


def mask(crcs: Any) -> Any:
    """Return a CRC, or CRCs (N,) uint32, as TFRecord files store it: rotated by 15 bits and offset.

    Reference: https://www.tensorflow.org/tutorials/load_data/tfrecord
    """
    return (crcs >> 15 | crcs << 17) + 0xA282EAD8 & 0xFFFFFFFF


def checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C of bytes as it follows them in a file."""
    return mask(crc(data)).to_bytes(4, "little")
