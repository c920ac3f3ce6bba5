"""What pyproject.toml cannot say: the version, which is that of the C ABI, and the native library, which goes into the package
where it is built (OPTIM_LIBRARY, or artifacts/lib of the checkout). Without it the module needs OPTIM_LIBRARY at run time."""

import os
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent
ABI = (HERE / "optim" / "_abi.py").read_text()
VERSION = ".".join(re.search(rf"^VERSION_{part} = (\d+)$", ABI, re.M).group(1) for part in ("MAJOR", "MINOR", "PATCH"))
PLACES = [Path(os.environ.get("OPTIM_LIBRARY") or HERE.parent.parent / "artifacts" / "lib" / "liboptim.so")]
LIBRARIES = [path for path in PLACES if path.is_file()]


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        for library in LIBRARIES:
            shutil.copy(library, Path(self.build_lib) / "optim" / "liboptim.so")


class WheelOfAnyPython(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = not LIBRARIES

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(version=VERSION, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelOfAnyPython})
