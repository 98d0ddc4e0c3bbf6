"""The part of the packaging that pyproject.toml cannot express: which package each folder is.

The four top-level folders are subpackages of `emberline`, with all folders and files in them. `MANIFEST.in` takes the
files along, data included. A new folder needs no entry anywhere.
"""

from setuptools import find_namespace_packages, setup

FOLDERS = ("proto", "engine", "export", "bench")
ROOTS = {"emberline": "src/emberline"} | {f"emberline.{folder}": folder for folder in FOLDERS}

# Folders that hold only data count as packages as well: setuptools knows no other kind of folder.
packages = [
    *ROOTS,
    *(
        f"{root}.{package}"
        for root, folder in ROOTS.items()
        for package in find_namespace_packages(folder, exclude=["__pycache__", "*.__pycache__"])
    ),
]

setup(package_dir=ROOTS, packages=packages)
