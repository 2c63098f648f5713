"""How wheel and sdist are made, where pyproject.toml has no words for it; no part of what is installed."""

from pathlib import Path
from shutil import rmtree

from setuptools.command.build import build
from setuptools.command.sdist import sdist


class BuildAnew(build):
    """Builds from what there is now: what an earlier version has left in `build/` is no part of this one."""

    def run(self) -> None:
        """Build, after what is left there is gone."""
        rmtree(self.build_lib, ignore_errors=True)
        super().run()


class WholeProject(sdist):
    """Packs all that the project has, so that whoever has it can test it, too."""

    def make_distribution(self) -> None:
        """Pack it."""
        for folder in ("config", "systemd", "tests"):
            self.filelist.graft(folder)
        self.filelist.append(".ci/run")
        self.filelist.append(str(Path("daemon", "packing.py")))
        self.filelist.global_exclude("*.pyc")
        super().make_distribution()
