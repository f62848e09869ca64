"""What pyproject.toml cannot say: configs/ lies beside the package, and C is to be compiled.

Where the native library cannot be built, the package is made without it, and trains with torch.
"""

import sys
from pathlib import Path

from setuptools import Distribution, find_namespace_packages, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))
from dlx.native import build as native

configs = ["dlx.configs", *(f"dlx.configs.{name}" for name in find_namespace_packages("configs"))]


class BuildWithLibrary(build_py):
    """Copies the package, and builds the native library into the copy, or in place for `pip -e`."""

    def run(self) -> None:
        """Build all of it."""
        super().run()
        package = Path(__file__).parent if self.editable_mode else Path(self.build_lib)
        try:
            native.build(package / "dlx" / "native" / native.LIBRARIES.name)
        except OSError as error:
            self.warn(f"dlx is installed without its native engine: {error}")


class LibraryOfAPlatform(Distribution):
    """A distribution with code for one platform."""

    def has_ext_modules(self) -> bool:
        """Say that there is such code."""
        return True


class WheelOfAPlatform(bdist_wheel):
    """A wheel for any Python on one platform, since the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag of the wheel."""
        return "py3", "none", super().get_tag()[2]


setup(
    packages=[*find_packages(include=["dlx", "dlx.*"]), *configs],
    package_dir={"dlx.configs": "configs"},
    package_data={name: ["*.yaml", "*.csv"] for name in configs} | {"dlx.native": ["*.c", "*.h"]},
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfAPlatform},
    distclass=LibraryOfAPlatform,
)
