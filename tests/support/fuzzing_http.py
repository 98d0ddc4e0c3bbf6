"""Damaged requests for contracts over HTTP, and what a server answers to them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any, Final
from urllib.parse import quote
from urllib.request import urlopen

from fuzzing import STALL, TEXTS, Fuzzed, damaged

#: Contracts by what their paths begin with; TEI's have nothing in common, and are what is left.
_BEGINNINGS: Final = {"emberline": "/v1/emberline/", "openai": "/v1/", "kserve": "/v2", "tei": "/"}
CONTRACTS: Final = tuple(_BEGINNINGS)
_PAGES: Final = ("/openapi.json", "/docs", "/health", "/metrics")
#: Calls that change what the others are answered by.
_LEFT_OUT: Final = ("/v1/emberline/load-model", "/v1/emberline/unload-model", "/v1/emberline/route-model")
#: Statuses of 500 and more that may be answered: not implemented, as KServe's protocol has it; and too late.
_ALLOWED: Final = (501, 504)
_THREADS: Final = 8
_USER: Final = {"profile": "age: 25", "history": [{"text": "title: Alien"}]}
_TENSOR: Final = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["title: Alien", "the horror"]}
#: A body that is right, by the end of a path.
_RIGHT: Final[Mapping[str, Any]] = {
    "/encode": {"inputs": [{"text": "title: Alien"}], "outputs": ["sentence_embedding"], "dimensions": 8},
    "/score": {"user": _USER, "candidates": [{"text": "the horror"}], "outputs": ["score"]},
    "/recommend": {
        "user": _USER,
        "k": 3,
        "filters": [{"field": "genres", "anyOf": ["Horror"]}],
        "diversity": 0.5,
        "newItemWeight": 2.0,
    },
    "/recommend-many": {"users": [_USER], "k": 3},
    "/similar-items": {"item": {"text": "title: Alien"}, "k": 2},
    "/upsert-items": {"items": [{"id": "a", "text": "title: Alien", "attributes": {"year": 1979}}]},
    "/delete-items": {"ids": ["a"]},
    "/get-items": {"ids": ["a"]},
    "/list-items": {"limit": 2},
    "/embeddings": {"model": "emberline", "input": ["title: Alien", "the horror"], "dimensions": 8},
    "/v1/rerank": {"model": "emberline", "query": "age: 25", "documents": ["title: Alien"], "top_n": 1},
    "/rerank": {"query": "age: 25", "texts": ["title: Alien", "the horror"], "raw_scores": True},
    "/tokenize": {"inputs": "the horror", "add_special_tokens": True},
    "/decode": {"ids": [1, 2, 3], "skip_special_tokens": True},
    "/infer": {"inputs": [_TENSOR], "outputs": [{"name": "sentence_embedding"}], "parameters": {"priority": 1}},
    "/": {"inputs": ["title: Alien", "the horror"], "truncate": True, "normalize": True},
}


@dataclass(frozen=True)
class _Sent:
    """A request."""

    verb: str
    path: str
    body: bytes
    headers: Mapping[str, str]


def fuzz(port: int, contract: str, calls: int, seed: int) -> Fuzzed:
    """Send damaged requests to the calls of a contract, as the server's OpenAPI document lists them."""
    random, result = Random(seed), Fuzzed()
    with urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=STALL) as answer:
        paths = json.load(answer)["paths"]
    listed = [(verb.upper(), path) for path, verbs in paths.items() for verb in verbs if _contract(path) == contract]
    # What has a body can go wrong in more ways.
    weights = [10 if any(path.endswith(end) for end in _RIGHT) and verb == "POST" else 1 for verb, path in listed]
    sent = [_request(verb, path, random) for verb, path in random.choices(listed, weights, k=calls)]
    with ThreadPoolExecutor(_THREADS) as threads:
        for ended in [threads.submit(_send, port, sent[start::_THREADS], result) for start in range(_THREADS)]:
            ended.result()
    return result


def _contract(path: str) -> str:
    if path in _PAGES or path in _LEFT_OUT or path.endswith("/load"):
        return ""
    return next(name for name, beginning in _BEGINNINGS.items() if path.startswith(beginning))


def _request(verb: str, path: str, random: Random) -> _Sent:
    headers = {"Content-Type": random.choice(("application/json",) * 9 + ("text/plain",))}
    if random.random() < 0.1:
        headers["Emberline-Timeout"] = random.choice(("1", "0.000001", "-1", "nan", "1e400", "x", ""))
    if random.random() < 0.1:
        headers["Emberline-Priority"] = random.choice(("1", "-99999999999", "1e3", "inf", "x"))
    if random.random() < 0.1:
        headers["Emberline-Model"] = random.choice(("emberline", "other", "\xff" * 9))
    body = b"" if verb == "GET" else _body(path, random)
    if path.endswith("/infer") and random.random() < 0.3:
        headers["Inference-Header-Content-Length"] = random.choice(("0", "9", "-1", "x", str(len(body)), "9" * 30))
    for name in ("model", "version", "region"):
        value = random.choice(TEXTS[:8])[:99] if random.random() < 0.3 else "emberline" if name == "model" else "1"
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return _Sent(verb, path, body, headers)


def _body(path: str, random: Random) -> bytes:
    """Make a body: any bytes, or one that is right but for a few values, damaged or not."""
    if random.random() < 0.1:
        return random.choice((random.randbytes(random.randrange(200)), b"[" * 100_000))
    right = next((body for end, body in _RIGHT.items() if path.endswith(end)), _RIGHT["/"])
    body = deepcopy(right)
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        body = _changed(body, random)
    try:
        raw = json.dumps(body, ensure_ascii=random.random() < 0.5).encode()
    except UnicodeEncodeError:
        raw = json.dumps(body).encode()
    return damaged(raw, random) if random.random() < 0.3 else raw


def _changed(value: Any, random: Random) -> Any:
    """Change one value of a tree, somewhere."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {name: entry for name, entry in value.items() if name != key}
            case 1:
                return value | {random.choice((*TEXTS[:9], "parameters", "user")): _any(random, 0)}
        return value | {key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        match random.randrange(6):
            case 0:
                return value * random.choice((0, 2, 300))
            case 1:
                return [*value, _any(random, 0)]
        return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
    return _any(random, 0)


def _any(random: Random, depth: int) -> Any:
    """Make any value of JSON, or what Python's JSON has beside it."""
    numbers: Sequence[Any] = (0, -1, 1, 7, 2**31, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308, float("nan"), float("inf"))
    match random.randrange(7 if depth < 3 else 4):
        case 0:
            return random.choice((*TEXTS, "\ud800", "AAAA", "NaN"))
        case 1 | 2:
            return random.choice(numbers)
        case 3:
            return random.choice((None, True, False))
        case 4:
            return [_any(random, depth + 1) for _ in range(random.randrange(4))]
        case 5:
            return {random.choice(TEXTS[:9]): _any(random, depth + 1) for _ in range(random.randrange(3))}
    nested: Any = []
    for _ in range(random.choice((5, 90, 400))):
        nested = [nested]
    return nested if depth == 0 else []


def _send(port: int, requests: Sequence[_Sent], result: Fuzzed) -> None:
    """Send requests one after the other, over as few connections as the server allows."""
    connection = HTTPConnection("127.0.0.1", port, timeout=STALL)
    for sent in requests:
        started = time.monotonic()
        try:
            connection.request(sent.verb, sent.path, sent.body or None, dict(sent.headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            result.faults.append(f"{error!r} after {time.monotonic() - started:.1f} s to {sent!r:.400}")
            connection.close()
            continue
        if answer.status >= 500 and answer.status not in _ALLOWED:
            result.faults.append(f"{answer.status} to {sent!r:.400}")
        result.slowest = max(result.slowest, time.monotonic() - started)
        result.codes[str(answer.status)] += 1
    connection.close()
