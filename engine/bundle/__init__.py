"""The bundle: a trained model that is ready to serve, and the measured accuracy of each precision.

It is a folder that `emberline export` wrote, or one file that `emberline pack` made of it.

This package defines the layout and the manifest, which `export` writes and the engine reads. A bundle never changes
after export. Opening a bundle checks the schema, the SHA-256 of every file, that every file that is read is listed in
the manifest and lies inside the folder, and, if a key is required, the signature.
"""

from emberline.engine.files import BundleFile

from .bundle import Bundle
from .files import BundleFiles, check_file, sha256
from .layout import ARITHMETICS, PRECISIONS, Arithmetic, BundleLayout, Precision, graph_of
from .manifest import NEWNESS, SCHEMA, FileRecord, GraphSpec, Manifest, TensorSpec

__all__ = [
    "ARITHMETICS",
    "NEWNESS",
    "PRECISIONS",
    "SCHEMA",
    "Arithmetic",
    "Bundle",
    "BundleFile",
    "BundleFiles",
    "BundleLayout",
    "FileRecord",
    "GraphSpec",
    "Manifest",
    "Precision",
    "TensorSpec",
    "check_file",
    "graph_of",
    "sha256",
]
