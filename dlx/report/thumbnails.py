"""Small pictures made of characters, for a terminal.

# H height, W width, in pixels
"""

import numpy as np

_SHADES = np.array(list(" .:-=+*#%@"))


def draw(images: list[np.ndarray], width: int = 80) -> str:
    """Return images side by side in characters from ' ' (0) to '@' (the largest value).

    Images are (H, W) or, with colours, (3, H, W), all of one shape; those that do not fit go to the
    next line. Characters are twice as high as wide: each stands for 2 s × s pixels. s is as small
    as an image of at most 16 characters in width allows.
    """
    drawn = [_characters(image) for image in images]
    per_line = max(1, (width + 2) // (len(drawn[0][0]) + 2))
    blocks = [drawn[start : start + per_line] for start in range(0, len(drawn), per_line)]
    empty = ()  # below each block
    lines = [
        "  ".join(parts).rstrip()
        for block in blocks
        for parts in [*zip(*block, strict=True), empty]
    ]
    return "\n".join(lines).rstrip("\n")


def _characters(image: np.ndarray) -> list[str]:
    grey = (image.mean(0) if image.ndim == 3 else image).astype(np.float64)
    side = -(-grey.shape[1] // 16)
    height, width = -(-grey.shape[0] // (2 * side)) * 2 * side, -(-grey.shape[1] // side) * side
    padded = np.zeros((height, width))
    padded[: grey.shape[0], : grey.shape[1]] = grey
    blocks = padded.reshape(height // (2 * side), 2 * side, width // side, side).mean((1, 3))
    levels = blocks / max(blocks.max(), 1e-12) * (len(_SHADES) - 1)
    return ["".join(row) for row in _SHADES[levels.round().astype(int)]]
