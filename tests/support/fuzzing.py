"""Damaged messages for all contracts over gRPC, and what a server answers to them."""

from __future__ import annotations

import struct
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message

from emberline.proto import emberline_pb2, kserve_pb2, tei_pb2

CONTRACTS: Final = {
    "emberline": emberline_pb2.DESCRIPTOR,
    "tei": tei_pb2.DESCRIPTOR,
    "kserve": kserve_pb2.DESCRIPTOR,
}
#: Calls that change the server, which would make one call depend on others.
_LEFT_OUT: Final = ("RepositoryModelLoad", "LoadModel", "UnloadModel", "RouteModel")
#: No answer may have these; they say that the server is at fault.
FAULTS: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS)
#: Seconds after which a call counts as stalled.
STALL: Final = 30.0
_THREADS: Final = 16
TEXTS: Final = (
    "",
    " ",
    "title: Alien",
    "the " * 200,
    "\0",
    "Ünd 中文",
    "emberline",
    "text",
    "BYTES",
    "1",
    "x" * 70_000,
)
_NUMBERS: Final = (0, 1, 2, 7, 255, 2**31 - 1, 2**32 - 1)


@dataclass
class Fuzzed:
    """What a server answered.

    Attributes:
        codes: number of calls by status.
        faults: calls that the server is at fault for, or that stalled.
        slowest: seconds of the slowest call.
    """

    codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


def fuzz(address: str, contract: str, calls: int, seed: int) -> Fuzzed:
    """Call all methods of a contract with damaged messages, from several threads.

    The blocking client makes the calls: that for asyncio reports an internal error of its own where a stream ends while
    it still sends.
    """
    random, result = Random(seed), Fuzzed()
    methods = list(_methods(CONTRACTS[contract]))
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options=options) as channel, ThreadPoolExecutor(_THREADS) as threads:
        jobs = [(random.choice(methods), Random(random.getrandbits(64))) for _ in range(calls)]
        for ended in [threads.submit(_call, channel, method, other, result) for method, other in jobs]:
            ended.result()
    return result


def _call(channel: grpc.Channel, method: MethodDescriptor, random: Random, result: Fuzzed) -> None:
    proto = _proto(method)
    path = f"/{method.containing_service.full_name}/{method.name}"
    parts = [message(method, random) for _ in range(random.randrange(4) if proto.client_streaming else 1)]
    started = time.monotonic()
    code = grpc.StatusCode.OK
    try:
        if proto.client_streaming and proto.server_streaming:
            deque(channel.stream_stream(path)(iter(parts), timeout=STALL), 0)
        elif proto.client_streaming:
            channel.stream_unary(path)(iter(parts), timeout=STALL)
        elif proto.server_streaming:
            deque(channel.unary_stream(path)(parts[0], timeout=STALL), 0)
        else:
            channel.unary_unary(path)(parts[0], timeout=STALL)
    except grpc.RpcError as error:
        code = error.code()
        if code in FAULTS:
            result.faults.append(f"{path}: {code.name} {error.details()} to {parts!r:.300}")
    took = time.monotonic() - started
    if took >= STALL:
        result.faults.append(f"{path}: stalled at {parts!r:.300}")
    result.slowest = max(result.slowest, took)
    result.codes[code.name] += 1


def message(method: MethodDescriptor, random: Random) -> bytes:
    """Make a message: any bytes, a message with any values, or one that is nearly right, damaged or not."""
    kind = message_factory.GetMessageClass(method.input_type)
    if random.random() < 0.1:
        return random.randbytes(random.randrange(200))
    made = kind()
    if random.random() < 0.5 and _sensible(made, random):
        pass
    else:
        _fill(made, random, 0)
    return damaged(made.SerializeToString(), random) if random.random() < 0.5 else made.SerializeToString()


def _methods(file: FileDescriptor) -> Iterator[MethodDescriptor]:
    for service in file.services_by_name.values():
        yield from (method for method in service.methods if method.name not in _LEFT_OUT)


def _proto(method: MethodDescriptor) -> Any:
    from google.protobuf.descriptor_pb2 import ServiceDescriptorProto

    service = ServiceDescriptorProto()
    method.containing_service.CopyToProto(service)
    return service.method[method.index]


def _sensible(made: Any, random: Random) -> bool:
    """Fill in what a client sends, with a value here and there that it does not."""
    texts = [random.choice(TEXTS) for _ in range(random.choice((1, 1, 2, 5, 1200)))]
    match made.DESCRIPTOR.name:
        case "ModelInferRequest":
            made.model_name = "emberline"
            raw = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
            made.inputs.add(name="text", datatype="BYTES", shape=[random.choice((len(texts), *_NUMBERS))])
            made.raw_input_contents.append(damaged(raw, random) if random.random() < 0.3 else raw)
            if random.random() < 0.5:
                made.inputs.add(name="user", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"age: 25")
            for name in random.sample(("sentence_embedding", "score", "item_attributes", "user_embedding", ""), 2):
                made.outputs.add(name=name)
            for name in ("priority", "timeout", "dimensions"):
                if random.random() < 0.2:
                    made.parameters[name].int64_param = random.choice(_NUMBERS)
        case "RerankRequest":
            made.query, made.truncate = random.choice(TEXTS), random.random() < 0.8
            made.texts.extend(texts)
        case "DecodeRequest":
            made.ids.extend(random.choices(_NUMBERS, k=random.choice((1, 5, 70_000))))
        case _ if (
            "inputs" in made.DESCRIPTOR.fields_by_name and not made.DESCRIPTOR.fields_by_name["inputs"].is_repeated
        ):
            made.inputs = texts[0]
            if "truncate" in made.DESCRIPTOR.fields_by_name:
                made.truncate = random.random() < 0.8
        case _:
            return False
    return True


def _fill(made: Message, random: Random, depth: int) -> None:
    """Set any fields to any values."""
    for described in made.DESCRIPTOR.fields:
        if random.random() < 0.4 or depth > 3:
            continue
        count = random.choice((1, 1, 2, 40)) if described.is_repeated else 1
        entries = getattr(made, described.name)
        for _ in range(count if depth < 2 else 1):
            if described.message_type is not None and described.message_type.GetOptions().map_entry:
                _fill_entry(entries[random.choice(TEXTS[:9])], random)
            elif described.message_type is not None:
                _fill(entries.add() if described.is_repeated else entries, random, depth + 1)
            elif described.is_repeated:
                entries.append(_value(described, random))
            else:
                setattr(made, described.name, _value(described, random))


def _fill_entry(value: Any, random: Random) -> None:
    described = random.choice(value.DESCRIPTOR.fields)
    if described.message_type is not None:
        getattr(value, described.name).SetInParent()
        return
    setattr(value, described.name, _value(described, random))


def _value(described: FieldDescriptor, random: Random) -> Any:
    kinds = FieldDescriptor
    match described.cpp_type:
        case kinds.CPPTYPE_STRING:
            text = random.choice(TEXTS)
            return text.encode() if described.type == kinds.TYPE_BYTES else text
        case kinds.CPPTYPE_BOOL:
            return random.random() < 0.5
        case kinds.CPPTYPE_FLOAT | kinds.CPPTYPE_DOUBLE:
            return random.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
        case kinds.CPPTYPE_ENUM:
            return random.choice((0, 1, 2, 77))
        case kinds.CPPTYPE_INT32:
            return random.choice((-1, *_NUMBERS[:-1]))
        case kinds.CPPTYPE_INT64:
            return random.choice((-1, 2**63 - 1, *_NUMBERS))
        case kinds.CPPTYPE_UINT64:
            return random.choice((2**64 - 1, *_NUMBERS))
    return random.choice(_NUMBERS)


def damaged(raw: bytes, random: Random) -> bytes:
    """Flip bits, cut, repeat or insert."""
    data = bytearray(raw)
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0 if data:
                data[place % len(data)] ^= 1 << random.randrange(8)
            case 1:
                del data[place:]
            case 2:
                data[place:place] = data[place : place + random.randrange(64)] * random.randrange(4)
            case 3:
                data[place:place] = random.randbytes(random.randrange(16))
    return bytes(data)
