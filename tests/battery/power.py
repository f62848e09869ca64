"""Power loss: what a disk holds that keeps only what was synced, at every moment of some work.

A moment is just before an operation on the files below a folder. By POSIX, a file's content is on
the disk as it was when the file was last synced, and a folder's names as they were when the folder
was. What came later may be there as well, in part and in any order.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHANGES = ("replace", "rename", "unlink", "rmdir", "mkdir")
_ENTRIES = dict[str, tuple[int, bool]]  # by name: inode, and whether it is a folder


@dataclass
class _Disk:
    """Contents of files, and names in folders, by inode."""

    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, _ENTRIES] = field(default_factory=dict)

    def copy(self) -> "_Disk":
        return _Disk(dict(self.files), dict(self.folders))


@dataclass
class Moment:
    """What is surely on the disk, and what the running system sees, with what was promised."""

    synced: _Disk
    seen: _Disk
    promises: tuple[str, ...]
    root: int

    def restore(self, target: Path, draw: random.Random | None = None) -> None:
        """Make the folder that is there after the power is back.

        It holds what was synced alone or, if there is something to draw with, any part of what was
        not.
        """
        target.mkdir()
        self._restore(self.root, target, draw)

    def _restore(self, inode: int, target: Path, draw: random.Random | None) -> None:
        synced = self.synced.folders.get(inode, {})
        seen = self.seen.folders.get(inode, {})
        for name in sorted({*synced, *seen}):
            entry = synced.get(name)
            if draw is not None and entry != seen.get(name) and draw.random() < 0.5:
                entry = seen.get(name)
            if entry is None:
                continue
            inner, is_folder = entry
            if is_folder:
                (target / name).mkdir()
                self._restore(inner, target / name, draw)
            else:
                (target / name).write_bytes(self._content(inner, draw))

    def _content(self, inode: int, draw: random.Random | None) -> bytes:
        content = self.synced.files.get(inode, b"")
        newer = self.seen.files.get(inode, content)
        if draw is None or newer == content:
            return content
        # What was synced and has not been written over since is there.
        pairs = enumerate(zip(content, newer, strict=False))
        shorter = min(len(content), len(newer))
        kept = next((place for place, (old, new) in pairs if old != new), shorter)
        cut = newer[: draw.randint(kept, len(newer))]
        return draw.choice([content, newer, cut, cut + bytes(len(newer) - len(cut))])


class Recorder:
    """Records the moments of some work below a folder."""

    def __init__(self, root: Path) -> None:
        self.moments: list[Moment] = []
        self._root = root
        self._promises: list[str] = []
        self._held: list[int] = []  # open, so that no other file gets their inodes
        self._synced = self._look()

    def promise(self, what: str) -> None:
        """Note that something was told to the user, and must last from here on."""
        self._promises.append(what)
        self._note()

    @contextlib.contextmanager
    def recording(self) -> Iterator["Recorder"]:
        """Record the operations of the block."""
        real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _CHANGES}
        fsync = os.fsync

        def noted(name: str) -> Callable[..., Any]:
            def change(*arguments: Any, **options: Any) -> Any:
                self._note()
                return real[name](*arguments, **options)

            return change

        def synced(descriptor: int) -> None:
            self._note()
            fsync(descriptor)
            self._sync(descriptor)

        for name in _CHANGES:
            setattr(os, name, noted(name))
        os.fsync = synced
        try:
            yield self
        finally:
            os.fsync = fsync
            for name, function in real.items():
                setattr(os, name, function)
            for descriptor in self._held:
                os.close(descriptor)

    def _note(self) -> None:
        root = self._root.stat().st_ino
        moment = Moment(self._synced.copy(), self._look(), tuple(self._promises), root)
        self.moments.append(moment)

    def _sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self._root):
            return
        self._held.append(os.dup(descriptor))
        inode = os.fstat(descriptor).st_ino
        if path.is_dir():
            self._synced.folders[inode] = _entries(path)
        else:
            self._synced.files[inode] = path.read_bytes()

    def _look(self) -> _Disk:
        disk = _Disk()
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            with contextlib.suppress(FileNotFoundError):
                entries = _entries(folder)
                disk.folders[folder.stat().st_ino] = entries
                for name, (inode, is_folder) in entries.items():
                    if is_folder:
                        waiting.append(folder / name)
                    else:
                        disk.files[inode] = (folder / name).read_bytes()
        return disk


def _entries(folder: Path) -> _ENTRIES:
    with os.scandir(folder) as entries:
        return {e.name: (e.inode(), e.is_dir(follow_symlinks=False)) for e in entries}
