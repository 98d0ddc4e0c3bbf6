"""The bundle: a folder with a trained model that is ready to serve, and the measured accuracy of each precision.

This package defines the layout and the manifest, which `export` writes and the engine reads. A bundle never changes
after export. Opening a bundle checks the schema, the SHA-256 of every file, that every file that is read is listed in
the manifest and lies inside the folder, and, if a key is required, the signature.
"""

from .bundle import Bundle
from .files import check_file, sha256
from .layout import PRECISIONS, BundleLayout, Precision
from .manifest import SCHEMA, FileRecord, GraphSpec, Manifest, TensorSpec

__all__ = [
    "PRECISIONS",
    "SCHEMA",
    "Bundle",
    "BundleLayout",
    "FileRecord",
    "GraphSpec",
    "Manifest",
    "Precision",
    "TensorSpec",
    "check_file",
    "sha256",
]
