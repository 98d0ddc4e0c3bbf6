"""Orders the channels between the two layers of the feed-forward network.

A GELU treats all channels alike, so the layer in front may produce them in any order. Channels that are stored in 16
bits come first, so that a slice reads them and nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

from emberline.export.precision.analysis.layer import QuantisedGroup

from .bert import FFN_DOWN, FFN_UP
from .rewrite import Rewrite


def order_channels(graph: Rewrite, quantised: Sequence[QuantisedGroup]) -> list[QuantisedGroup]:
    """Make each layer produce its channels in the order in which the next one reads them.

    Args:
        graph: the fp32 graph of a BERT encoder; products and biases are reordered.
        quantised: the layers that will be quantised.

    Returns:
        The layers, with their outputs in the new order.
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
