"""What pyproject.toml cannot say: what an earlier version has left in `build/` is no part of this one."""

from shutil import rmtree

from setuptools import setup
from setuptools.command.build import build


class BuildAnew(build):
    """Builds from what there is now."""

    def run(self) -> None:
        """Build, after what an earlier version has left is gone."""
        rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build": BuildAnew})
