"""Build the library: `python -m dlx.native.build`, which `pip install` does too.

The compiler is the wheel `ziglang`, so that a machine needs none of its own. A library of each
level of a processor is made; all give the same bits.
"""

import hashlib
import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent
LIBRARIES = SOURCES / "libraries"
# Digests of the libraries beside it, by name, and of the sources that they were built from.
DIGESTS, SOURCES_NAME = "digests.json", "sources"

# The processors of each architecture that a library is made for, the lowest first.
LEVELS = {
    "x86_64": {"v2": "x86_64_v2", "v3": "x86_64_v3", "v4": "x86_64_v4"},
    "aarch64": {"v1": "generic"},
}
_ARCHITECTURES = {"AMD64": "x86_64", "arm64": "aarch64"}  # as systems call what Zig names otherwise
_SYSTEMS = {"Linux": "linux-gnu.2.17", "Darwin": "macos", "Windows": "windows-gnu"}
SUFFIXES = {"Linux": "so", "Darwin": "dylib", "Windows": "dll"}

# What must not be: a product and a sum contracted into one, and reordered arithmetic.
FLAGS = [
    "-std=c11",
    "-D_DEFAULT_SOURCE",  # Linux's calls, which threads wait by
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-math-errno",  # a square root is an instruction, and none of the C library's
    "-fno-strict-aliasing",
    "-Wno-psabi",
]
FAST = ("-O3", "-g0", "-Wl,-s", "-fno-sanitize=all")
# The process ends at undefined behaviour and where an array is left; the second is told by gcc's
# libasan, which has to be loaded before Python (LD_PRELOAD).
SANITIZED = ("-O1", "-g", "-fsanitize=address", "-fsanitize=undefined")


def architecture(machine: str | None = None) -> str:
    """Return the architecture of a machine, by default this one, as the compiler names it."""
    machine = machine or platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def file_name(level: str, machine: str, system: str) -> str:
    """Return the name of the library of a level."""
    return f"dlx-{machine}-{level}.{SUFFIXES[system]}"


def build(
    folder: Path = LIBRARIES,
    machine: str | None = None,
    system: str | None = None,
    flags: Sequence[str] = FAST,
    levels: Sequence[str] | None = None,
) -> list[Path]:
    """Compile the libraries of an architecture and a system, by default this machine's.

    Args:
        folder: receives them
        machine: the architecture, under any of its names
        system: Linux, Darwin or Windows
        flags: FAST or SANITIZED
        levels: of the architecture; None: all

    Raises:
        OSError: there is no compiler, or it cannot make them; the message says why
    """
    machine, system = architecture(machine), system or platform.system()
    if machine not in LEVELS or system not in _SYSTEMS:
        raise OSError(f"no library is made for {system} on {machine}")
    if importlib.util.find_spec("ziglang") is None:
        raise OSError("the compiler, the wheel ziglang, is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    target = f"{machine}-{_SYSTEMS[system]}"

    def compiled(level: str) -> Path:
        result = folder / file_name(level, machine, system)
        new = result.with_suffix(".new")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS, *flags]
        command += [f"-mcpu={LEVELS[machine][level]}", "-o", str(new)]
        command += [str(SOURCES / name) for name in ("single.c", "double.c", "level.c")]
        if system == "Linux":
            command.append("-lm")
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise OSError(f"the compiler failed: {made.stderr.strip()[-2000:]}")
        new.replace(result)  # a process that has loaded the former one keeps it
        return result

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(compiled, levels or LEVELS[machine]))
    digests = {path.name: digest(path) for path in made} | {SOURCES_NAME: digest_of_sources()}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1) + "\n")
    return made


def digest(path: Path) -> str:
    """Return the SHA-256 of a library."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of_sources() -> str:
    """Return the SHA-256 of the kernels' sources, and of this file, which compiles them."""
    files = [*sorted(SOURCES.glob("*.[ch]")), Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


if __name__ == "__main__":
    build(flags=SANITIZED if sys.argv[1:] == ["--sanitize"] else FAST)
