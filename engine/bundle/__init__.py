"""The bundle: a folder with a trained model that is ready to serve, and the measured accuracy of each precision.

This package defines the layout and the manifest, which `export` writes and the engine reads. A bundle never changes
after export. Opening a bundle checks the schema, that every file which is read is in the manifest and inside the
folder, every file's SHA-256, and, where a key is required, the signature.
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
