"""The order of the channels between the two layers of the feed-forward network.

A GELU treats every channel alike, so that the layer in front may give them in any order and the layer behind read them
in it. Those that are stored in 16 bits come first: a slice takes them, and nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

from emberline.export.precision.analysis.layer import Quantised

from .bert import FFN_DOWN, FFN_UP
from .rewrite import Rewrite


def order_channels(graph: Rewrite, quantised: Sequence[Quantised]) -> list[Quantised]:
    """Let channels come in the order in which layers read them.

    Args:
        graph: of a BERT encoder in fp32; products in front of such layers are changed, with their biases.
        quantised: layers that are to be quantised.

    Returns:
        The layers, those in front of others as they then are.
    """
    orders = {
        f"{one.layers.nodes[0].removesuffix(FFN_DOWN)}{FFN_UP}": one.order for one in quantised if one.order is not None
    }
    for name, order in orders.items():
        product = graph.nodes[name]
        total = graph.reader(product.output[0], "Add")
        for node in (product, total):
            old = graph.constant_of(node)
            graph.exchange(node, old, graph.constant(f"{node.name}.ordered", graph.value(old)[..., order]))
    given = []
    for one in quantised:
        name = one.layers.nodes[0]
        given.append(one.ordered(orders[name], (graph.nodes[name].input[1],)) if name in orders else one)
    return given
