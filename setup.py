"""Builds the C-accelerated core. Everything static is in pyproject.toml.

HOURGLASS_PROFILE=asan   builds with the address and undefined-behaviour sanitizers (make asan)
HOURGLASS_EXT=book,core  builds only these modules
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

FLAGS = {
    "release": (["-O3", "-g", "-fno-strict-aliasing"], ["-lpthread"]),
    "asan": (
        ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"],
        ["-fsanitize=address,undefined", "-lpthread"],
    ),
}
compile_args, link_args = FLAGS[os.environ.get("HOURGLASS_PROFILE", "release")]
wanted = {name for name in os.environ.get("HOURGLASS_EXT", "").split(",") if name}
sources = [path for path in sorted(Path("ext").glob("*.pyx")) if not wanted or path.stem in wanted]

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"ext.{path.stem}",
                [str(path)],
                include_dirs=["ext"],
                depends=[str(header) for header in sorted(Path("ext").glob("*.h"))],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
            )
            for path in sources
        ],
        compiler_directives={
            "language_level": 3,
            "embedsignature": True,
            "binding": True,
            "auto_pickle": False,
            "autotestdict": False,
            "freethreading_compatible": True,
        },
    )
)
