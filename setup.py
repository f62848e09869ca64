"""What pyproject.toml cannot say: configs/ lies beside the package, and in a wheel inside it."""

from setuptools import find_namespace_packages, find_packages, setup

configs = ["dlx.configs", *(f"dlx.configs.{name}" for name in find_namespace_packages("configs"))]

setup(
    packages=[*find_packages(include=["dlx", "dlx.*"]), *configs],
    package_dir={"dlx.configs": "configs"},
    package_data={name: ["*.yaml", "*.csv"] for name in configs},
)
