"""Descriptor pools of contracts that are not Emberline's.

Their names in protobuf's default pool belong to those who wrote them: a program that runs a server of Emberline and
imports `tritonclient` or `tei_client` as well would otherwise fail, because a name may be there once.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool

#: The messages of `tei.v1` and of KServe's `inference`.
FOREIGN: Final = DescriptorPool()
