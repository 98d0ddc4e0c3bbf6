from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tensor(_message.Message):
    __slots__ = ("data", "dtype", "shape")
    DATA_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, data: _Optional[bytes] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "text", "attributes")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    attributes: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ItemReference(_message.Message):
    __slots__ = ("id", "text", "vector")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    vector: Tensor
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., vector: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("profile", "attributes", "history")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    profile: str
    attributes: _struct_pb2.Struct
    history: _containers.RepeatedCompositeFieldContainer[ItemReference]
    def __init__(self, profile: _Optional[str] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., history: _Optional[_Iterable[_Union[ItemReference, _Mapping]]] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queue", "tokenize", "encode", "score", "total")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOKENIZE_FIELD_NUMBER: _ClassVar[int]
    ENCODE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    queue: float
    tokenize: float
    encode: float
    score: float
    total: float
    def __init__(self, queue: _Optional[float] = ..., tokenize: _Optional[float] = ..., encode: _Optional[float] = ..., score: _Optional[float] = ..., total: _Optional[float] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("model_id", "precision", "timings", "warnings")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    precision: str
    timings: Timings
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model_id: _Optional[str] = ..., precision: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("text", "item", "user")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    text: str
    item: Item
    user: User
    def __init__(self, text: _Optional[str] = ..., item: _Optional[_Union[Item, _Mapping]] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class EncodeRequest(_message.Message):
    __slots__ = ("inputs", "outputs", "priority", "dimensions", "normalize")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[Input]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    dimensions: int
    normalize: bool
    def __init__(self, inputs: _Optional[_Iterable[_Union[Input, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., dimensions: _Optional[int] = ..., normalize: _Optional[bool] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("outputs", "tokens", "truncated", "provenance")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Tensor
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.MessageMap[str, Tensor]
    tokens: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    provenance: Provenance
    def __init__(self, outputs: _Optional[_Mapping[str, Tensor]] = ..., tokens: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class EncodeStreamRequest(_message.Message):
    __slots__ = ("id", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    request: EncodeRequest
    def __init__(self, id: _Optional[str] = ..., request: _Optional[_Union[EncodeRequest, _Mapping]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class EncodeStreamResponse(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: EncodeResponse
    error: Error
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[EncodeResponse, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("user", "candidates", "outputs", "priority")
    USER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    user: User
    candidates: _containers.RepeatedCompositeFieldContainer[ItemReference]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[ItemReference, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("outputs", "provenance")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Tensor
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.MessageMap[str, Tensor]
    provenance: Provenance
    def __init__(self, outputs: _Optional[_Mapping[str, Tensor]] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("field", "any_of", "minimum", "maximum", "exclude")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    field: str
    any_of: _containers.RepeatedScalarFieldContainer[str]
    minimum: float
    maximum: float
    exclude: bool
    def __init__(self, field: _Optional[str] = ..., any_of: _Optional[_Iterable[str]] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., exclude: _Optional[bool] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("user", "k", "filters", "include_history", "exclude_ids", "diversity", "reasons", "outputs", "priority", "new_item_weight")
    USER_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HISTORY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NEW_ITEM_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    user: User
    k: int
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    include_history: bool
    exclude_ids: _containers.RepeatedScalarFieldContainer[str]
    diversity: float
    reasons: bool
    outputs: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    new_item_weight: float
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., k: _Optional[int] = ..., filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., include_history: _Optional[bool] = ..., exclude_ids: _Optional[_Iterable[str]] = ..., diversity: _Optional[float] = ..., reasons: _Optional[bool] = ..., outputs: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., new_item_weight: _Optional[float] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("because_of", "nearness", "shared_attributes", "predicted_likes")
    BECAUSE_OF_FIELD_NUMBER: _ClassVar[int]
    NEARNESS_FIELD_NUMBER: _ClassVar[int]
    SHARED_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_LIKES_FIELD_NUMBER: _ClassVar[int]
    because_of: str
    nearness: float
    shared_attributes: _containers.RepeatedScalarFieldContainer[str]
    predicted_likes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, because_of: _Optional[str] = ..., nearness: _Optional[float] = ..., shared_attributes: _Optional[_Iterable[str]] = ..., predicted_likes: _Optional[_Iterable[str]] = ...) -> None: ...

class Recommendation(_message.Message):
    __slots__ = ("id", "score", "probability", "rating", "attributes", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    probability: float
    rating: float
    attributes: _struct_pb2.Struct
    reason: Reason
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., probability: _Optional[float] = ..., rating: _Optional[float] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("items", "considered", "provenance")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Recommendation]
    considered: int
    provenance: Provenance
    def __init__(self, items: _Optional[_Iterable[_Union[Recommendation, _Mapping]]] = ..., considered: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class RecommendManyRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendRequest, _Mapping]]] = ...) -> None: ...

class RecommendManyResponse(_message.Message):
    __slots__ = ("responses",)
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[RecommendResponse]
    def __init__(self, responses: _Optional[_Iterable[_Union[RecommendResponse, _Mapping]]] = ...) -> None: ...

class SimilarItemsRequest(_message.Message):
    __slots__ = ("item", "k", "filters", "exclude_ids", "priority")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_IDS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    item: ItemReference
    k: int
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    exclude_ids: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    def __init__(self, item: _Optional[_Union[ItemReference, _Mapping]] = ..., k: _Optional[int] = ..., filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., exclude_ids: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ...) -> None: ...

class SimilarItem(_message.Message):
    __slots__ = ("id", "similarity", "attributes")
    ID_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    similarity: float
    attributes: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., similarity: _Optional[float] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SimilarItemsResponse(_message.Message):
    __slots__ = ("items", "considered", "provenance")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SimilarItem]
    considered: int
    provenance: Provenance
    def __init__(self, items: _Optional[_Iterable[_Union[SimilarItem, _Mapping]]] = ..., considered: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class UpsertItemsRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ...) -> None: ...

class UpsertItemsResponse(_message.Message):
    __slots__ = ("inserted", "replaced", "provenance")
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    inserted: int
    replaced: int
    provenance: Provenance
    def __init__(self, inserted: _Optional[int] = ..., replaced: _Optional[int] = ..., provenance: _Optional[_Union[Provenance, _Mapping]] = ...) -> None: ...

class DeleteItemsRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteItemsResponse(_message.Message):
    __slots__ = ("deleted", "unknown_ids")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_IDS_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    unknown_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deleted: _Optional[int] = ..., unknown_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetItemsRequest(_message.Message):
    __slots__ = ("ids", "vectors")
    IDS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    vectors: bool
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., vectors: _Optional[bool] = ...) -> None: ...

class StoredItem(_message.Message):
    __slots__ = ("item", "updated", "sentence_embedding", "item_embedding", "item_bias")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    ITEM_EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    ITEM_BIAS_FIELD_NUMBER: _ClassVar[int]
    item: Item
    updated: float
    sentence_embedding: Tensor
    item_embedding: Tensor
    item_bias: float
    def __init__(self, item: _Optional[_Union[Item, _Mapping]] = ..., updated: _Optional[float] = ..., sentence_embedding: _Optional[_Union[Tensor, _Mapping]] = ..., item_embedding: _Optional[_Union[Tensor, _Mapping]] = ..., item_bias: _Optional[float] = ...) -> None: ...

class GetItemsResponse(_message.Message):
    __slots__ = ("items", "unknown_ids")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_IDS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[StoredItem]
    unknown_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[_Union[StoredItem, _Mapping]]] = ..., unknown_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListItemsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filters", "vectors")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    vectors: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., vectors: _Optional[bool] = ...) -> None: ...

class ListItemsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "total")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[StoredItem]
    next_page_token: str
    total: int
    def __init__(self, items: _Optional[_Iterable[_Union[StoredItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class BackupCatalogueRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupCatalogueResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("name", "items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    items: bool
    def __init__(self, name: _Optional[str] = ..., items: _Optional[bool] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RouteModelRequest(_message.Message):
    __slots__ = ("name", "share", "shadow")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    share: float
    shadow: float
    def __init__(self, name: _Optional[str] = ..., share: _Optional[float] = ..., shadow: _Optional[float] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[LoadedModel]
    def __init__(self, models: _Optional[_Iterable[_Union[LoadedModel, _Mapping]]] = ...) -> None: ...

class LoadedModel(_message.Message):
    __slots__ = ("name", "model_id", "precision", "fingerprint", "catalogue_items", "share", "shadow")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    model_id: str
    precision: str
    fingerprint: str
    catalogue_items: int
    share: float
    shadow: float
    def __init__(self, name: _Optional[str] = ..., model_id: _Optional[str] = ..., precision: _Optional[str] = ..., fingerprint: _Optional[str] = ..., catalogue_items: _Optional[int] = ..., share: _Optional[float] = ..., shadow: _Optional[float] = ...) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InfoResponse(_message.Message):
    __slots__ = ("model_id", "precision", "device", "version", "max_length", "hidden", "dimensions", "outputs", "item_labels", "user_labels", "catalogue_items", "max_inputs", "max_text_bytes", "max_k", "gate", "fingerprint", "item_fields", "user_fields", "uptime", "device_notes", "catalogue_vectors", "catalogue_bytes")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ITEM_LABELS_FIELD_NUMBER: _ClassVar[int]
    USER_LABELS_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_INPUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_K_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELDS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NOTES_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_VECTORS_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    precision: str
    device: str
    version: str
    max_length: int
    hidden: int
    dimensions: int
    outputs: _containers.RepeatedScalarFieldContainer[str]
    item_labels: _containers.RepeatedScalarFieldContainer[str]
    user_labels: _containers.RepeatedScalarFieldContainer[str]
    catalogue_items: int
    max_inputs: int
    max_text_bytes: int
    max_k: int
    gate: str
    fingerprint: str
    item_fields: _containers.RepeatedScalarFieldContainer[str]
    user_fields: _containers.RepeatedScalarFieldContainer[str]
    uptime: float
    device_notes: _containers.RepeatedScalarFieldContainer[str]
    catalogue_vectors: str
    catalogue_bytes: int
    def __init__(self, model_id: _Optional[str] = ..., precision: _Optional[str] = ..., device: _Optional[str] = ..., version: _Optional[str] = ..., max_length: _Optional[int] = ..., hidden: _Optional[int] = ..., dimensions: _Optional[int] = ..., outputs: _Optional[_Iterable[str]] = ..., item_labels: _Optional[_Iterable[str]] = ..., user_labels: _Optional[_Iterable[str]] = ..., catalogue_items: _Optional[int] = ..., max_inputs: _Optional[int] = ..., max_text_bytes: _Optional[int] = ..., max_k: _Optional[int] = ..., gate: _Optional[str] = ..., fingerprint: _Optional[str] = ..., item_fields: _Optional[_Iterable[str]] = ..., user_fields: _Optional[_Iterable[str]] = ..., uptime: _Optional[float] = ..., device_notes: _Optional[_Iterable[str]] = ..., catalogue_vectors: _Optional[str] = ..., catalogue_bytes: _Optional[int] = ...) -> None: ...
