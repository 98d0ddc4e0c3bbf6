"""A space with the items of the material in it, fitted and placed once for all baselines that take it."""

from __future__ import annotations

from dataclasses import dataclass

from .content import Content
from .material import BaselineData
from .spaces import FittedSpace, Placed, Space


@dataclass(frozen=True)
class PlacedSpace:
    """A fitted space that remembers where it placed the content that it was fitted to, but keeps the space alone.

    Attributes:
        layout: the space.
        content: what it was fitted to.
        placed: that content in the space.
    """

    layout: FittedSpace
    content: Content | None
    placed: Placed | None

    @classmethod
    def of(cls, material: BaselineData, space: Space) -> PlacedSpace:
        """A space fitted to the material's items of training, or found fitted."""
        if space not in material.shared:
            layout = space.fit(material.content, material.warm_items)
            material.shared[space] = cls(layout, material.content, layout.place(material.content))
        found: PlacedSpace = material.shared[space]
        return found

    def place(self, content: Content) -> Placed:
        """Place items, new ones too."""
        known = self.placed if content is self.content else None
        return self.layout.place(content) if known is None else known

    def __getstate__(self) -> dict[str, object]:
        return {"layout": self.layout, "content": None, "placed": None}
