"""What workers of a cluster wait for, to stop; a module of its own, which imports no torch."""

import asyncio


class Flag:
    """An actor that lets all who wait for it go on when it is lifted."""

    def __init__(self) -> None:
        self._lifted = asyncio.Event()

    async def lift(self) -> None:
        """Let them go on."""
        self._lifted.set()

    async def wait(self) -> None:
        """Wait until it is lifted."""
        await self._lifted.wait()
