"""Conversion of Recommend's request and result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Filter, Reason, Recommendation, RecommendRequest, RecommendResult
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance, values
from .structs import to_struct


def request_to_message(request: RecommendRequest, priority: int) -> pb.RecommendRequest:
    """Convert a request to a message.

    Raises:
        InvalidInput: a value has the wrong type, or k is out of the contract's range.
    """
    k = values.integer(request.k, "k")
    if k < 1:
        raise InvalidInput("k", f"is {k}; ask for 1 item or more, up to the server's max_k")
    weight = values.number(request.new_item_weight, "new_item_weight")
    return pb.RecommendRequest(
        user=entities.user_to_message(request.user, "user"),
        k=k,
        filters=filters_to_messages(request.filters),
        include_history=values.flag(request.include_history, "include_history"),
        exclude_ids=values.texts(request.exclude_ids, "exclude_ids"),
        diversity=values.number(request.diversity, "diversity"),
        reasons=values.flag(request.reasons, "reasons"),
        outputs=values.texts(request.outputs, "outputs"),
        priority=values.integer(priority, "priority"),
        new_item_weight=None if weight == 1.0 else weight,
    )


def request_from_message(message: pb.RecommendRequest) -> RecommendRequest:
    """Convert a message to a request.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    return RecommendRequest(
        user=entities.user_from_message(message.user, "user"),
        k=message.k,
        filters=filters_from_messages(message.filters),
        include_history=message.include_history,
        exclude_ids=tuple(message.exclude_ids),
        diversity=message.diversity,
        reasons=message.reasons,
        outputs=tuple(message.outputs),
        new_item_weight=message.new_item_weight if message.HasField("new_item_weight") else 1.0,
    )


def result_to_message(result: RecommendResult) -> pb.RecommendResponse:
    """Convert a result to a message."""
    return pb.RecommendResponse(
        items=[_recommendation_to_message(item) for item in result.items],
        considered=result.considered,
        provenance=provenance.to_message(result.provenance, result.timings),
    )


def result_from_message(message: pb.RecommendResponse) -> RecommendResult:
    """Convert a message to a result."""
    return RecommendResult(
        items=tuple(map(_recommendation_from_message, message.items)),
        considered=message.considered,
        timings=provenance.timings_from_message(message.provenance),
        provenance=provenance.provenance_from_message(message.provenance),
    )


def many_to_message(requests: Iterable[RecommendRequest], priority: int) -> pb.RecommendManyRequest:
    """Convert several requests to a message.

    Raises:
        InvalidInput: a value has the wrong type, or a k is out of the contract's range.
    """
    return pb.RecommendManyRequest(requests=[request_to_message(request, priority) for request in requests])


def many_from_message(message: pb.RecommendManyRequest) -> tuple[tuple[RecommendRequest, ...], tuple[int, ...]]:
    """Convert a message to the requests, and the priority of each.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    return tuple(map(request_from_message, message.requests)), tuple(one.priority for one in message.requests)


def many_results_to_message(results: Iterable[RecommendResult]) -> pb.RecommendManyResponse:
    """Convert several results to a message."""
    return pb.RecommendManyResponse(responses=map(result_to_message, results))


def many_results_from_message(message: pb.RecommendManyResponse) -> tuple[RecommendResult, ...]:
    """Convert a message to several results."""
    return tuple(map(result_from_message, message.responses))


def filters_to_messages(filters: Sequence[Filter]) -> list[pb.Filter]:
    """Convert filters to messages.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return [_filter_to_message(condition, f"filters[{index}]") for index, condition in enumerate(filters)]


def filters_from_messages(messages: Iterable[pb.Filter]) -> tuple[Filter, ...]:
    """Convert messages to filters."""
    return tuple(map(_filter_from_message, messages))


def _filter_to_message(condition: Filter, field: str) -> pb.Filter:
    if not isinstance(condition, Filter):
        raise InvalidInput(field, f"is {type(condition).__name__}; it must be a Filter")
    return pb.Filter(
        field=values.text(condition.field, f"{field}.field"),
        any_of=values.texts(condition.any_of, f"{field}.any_of"),
        minimum=None if condition.minimum is None else values.number(condition.minimum, f"{field}.minimum"),
        maximum=None if condition.maximum is None else values.number(condition.maximum, f"{field}.maximum"),
        exclude=values.flag(condition.exclude, f"{field}.exclude"),
    )


def _filter_from_message(message: pb.Filter) -> Filter:
    return Filter(
        field=message.field,
        any_of=tuple(message.any_of),
        minimum=message.minimum if message.HasField("minimum") else None,
        maximum=message.maximum if message.HasField("maximum") else None,
        exclude=message.exclude,
    )


def _recommendation_to_message(item: Recommendation) -> pb.Recommendation:
    return pb.Recommendation(
        id=item.id,
        score=item.score,
        probability=item.probability,
        rating=item.rating,
        attributes=to_struct(item.attributes),
        reason=_reason_to_message(item.reason) if item.reason else None,
    )


def _recommendation_from_message(message: pb.Recommendation) -> Recommendation:
    return Recommendation(
        id=message.id,
        score=message.score,
        probability=message.probability if message.HasField("probability") else None,
        rating=message.rating if message.HasField("rating") else None,
        attributes=entities.attributes_from_message(message.attributes),
        reason=_reason_from_message(message.reason) if message.HasField("reason") else None,
    )


def _reason_to_message(reason: Reason) -> pb.Reason:
    return pb.Reason(
        because_of=reason.because_of,
        nearness=reason.nearness,
        shared_attributes=reason.shared_attributes,
        predicted_likes=reason.predicted_likes,
    )


def _reason_from_message(message: pb.Reason) -> Reason:
    return Reason(
        because_of=message.because_of,
        nearness=message.nearness,
        shared_attributes=tuple(message.shared_attributes),
        predicted_likes=tuple(message.predicted_likes),
    )
