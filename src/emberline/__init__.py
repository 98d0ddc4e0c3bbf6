"""A multitask BERT for cold-start recommendation: trained, exported to ONNX and served over gRPC.

The four top-level folders of the repository are the subpackages: `emberline.proto`, `emberline.engine`,
`emberline.export` and `emberline.bench`. `setup.py` maps them, so this folder holds the version and nothing else.
Clients and records are imported from `emberline.engine`.
"""

from typing import Final

__version__: Final = "0.1.0"
__all__ = ["__version__"]
