"""Embeds by Haystack's components over gRPC, in the environment that has them, and writes the vectors."""

import asyncio
import json
import sys

from haystack import Document
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)

address, query, *texts = sys.argv[1:]
where = {"api_type": "text_embeddings_inference", "api_params": {"url": address}, "token": None, "use_grpc": True}
embedder = HuggingFaceAPITextEmbedder(**where)
documents = HuggingFaceAPIDocumentEmbedder(**where, normalize=True)


async def without_waiting() -> list[float]:
    """Embed the query by its call for asyncio."""
    embedder = HuggingFaceAPITextEmbedder(**where)
    try:
        return (await embedder.run_async(query))["embedding"]
    finally:
        await embedder.close_async()


print(
    json.dumps(
        {
            "query": embedder.run(query)["embedding"],
            "query_async": asyncio.run(without_waiting()),
            "documents": [
                entry.embedding for entry in documents.run([Document(content=text) for text in texts])["documents"]
            ],
        }
    )
)
