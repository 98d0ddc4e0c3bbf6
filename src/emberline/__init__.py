"""A multitask BERT for cold-start recommendation: trained, exported to ONNX and served over gRPC.

The four top-level folders of the repository are the subpackages: `emberline.proto`, `emberline.engine`,
`emberline.export` and `emberline.bench`; `setup.py` maps them. This module holds the version and switches off
telemetry; `py.typed` beside it marks all of them as typed. Clients and records are imported from `emberline.engine`.
"""

import os
from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"

# ONNX Runtime writes a device id into the user's cache and reports to its maker. It reads this variable once, when it
# is imported, which no module of Emberline can do before this one. Whoever sets the variable to 0 keeps the reports.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
