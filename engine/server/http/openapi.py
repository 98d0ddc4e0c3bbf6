"""The OpenAPI document of the calls that a server offers over HTTP, and a page that shows it."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .call import BYTES, HttpCall

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.8rem;overflow:auto;font-size:.85rem}code{font-size:.95em}"
    "summary{cursor:pointer;padding:.3rem 0}@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}"
    "pre{background:#262626}a{color:#8ab4f8}}"
)


def document(calls: Iterable[HttpCall], version: str, *, tokens: bool) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        calls: the calls.
        version: version of Emberline.
        tokens: whether calls need a token.
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    named = Counter[str]()  # a call may have several paths
    for call in calls:
        named[call.name] += 1
        operation = _operation(call, tokens=tokens)
        if named[call.name] > 1:
            operation["operationId"] += f".{named[call.name]}"
        paths.setdefault(call.path, {})[call.verb.lower()] = operation
        schemas |= call.operation.schemas
    components: dict[str, Any] = {"schemas": dict(sorted(schemas.items()))}
    if tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emberline", "version": version},
        "paths": paths,
        "components": components,
    }


def page(described: Mapping[str, Any]) -> str:
    """Return the document as an HTML page that loads nothing from elsewhere."""
    parts = []
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            shown = {
                "request": operation.get("requestBody", {}).get("content"),
                "responses": {code: response.get("content") for code, response in operation["responses"].items()},
            }
            parts.append(
                f"<details><summary><code>{verb.upper()} {html.escape(path)}</code> "
                f"{html.escape(operation['summary'])}</summary><pre>{_shown(shown)}</pre></details>"
            )
    schemas = "".join(
        f'<details id="{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary>'
        f"<pre>{_shown(schema)}</pre></details>"
        for name, schema in described["components"]["schemas"].items()
    )
    info = described["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{info["title"]}</title><style>{_STYLE}</style>'
        f"<h1>{info['title']} {html.escape(info['version'])}</h1>"
        f'<p>As a file: <a href="openapi.json">openapi.json</a></p>'
        f"<h2>Calls</h2>{''.join(parts)}<h2>Schemas</h2>{schemas}</html>"
    )


def _operation(call: HttpCall, *, tokens: bool) -> dict[str, Any]:
    described = call.operation
    refused = {"description": "refused", "content": {"application/json": {"schema": described.error}}}
    content = {media: {} if media == BYTES else {"schema": described.response} for media in described.media}
    operation: dict[str, Any] = {
        "summary": described.summary,
        "operationId": call.name,
        "tags": [described.tag],
        "responses": {
            "200": {"description": "answered", "content": content},
            **dict.fromkeys(_REFUSALS, refused),
        },
    }
    if described.parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in described.parameters.items()
        ]
    if described.request is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": described.request}}}
    if tokens and call.scope is not None:
        operation["security"] = [{"token": []}]
    return operation


_REFUSALS: Final = ("400", "401", "403", "404", "408", "413", "415", "422", "424", "429", "500", "501", "503", "504")


def _shown(value: object) -> str:
    return html.escape(json.dumps(value, indent=2))
