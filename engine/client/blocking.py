"""The blocking client."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import grpc

from emberline.engine.files import written_whole
from emberline.engine.parts import parts
from emberline.engine.records import (
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    Filter,
    GetResult,
    Info,
    Input,
    Item,
    ItemReference,
    ListRequest,
    ListResult,
    RecommendRequest,
    RecommendResult,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    UpsertResult,
    User,
)
from emberline.engine.wire.values import listed
from emberline.proto import emberline_pb2 as pb

from . import calls
from .bulk import Window
from .channel import deadline
from .failures import from_rpc
from .models import BlockingModels
from .streams import BlockingStream


class Client(BlockingModels):
    """A blocking client of one server. Several threads may share it. Use it in a ``with`` block, or `close` it.

    Every method raises the server's error, for instance `InvalidInput` or `Overloaded`, and `ServerUnreachable` or
    `DeadlineExceeded` if there is no answer.

    Args:
        address: address of the server, ``HOST:PORT``.
        timeout: seconds for a call, all attempts included.
        retries: maximum number of retries when the server is overloaded, shutting down or unreachable; 0: none. The
            pause before a retry is the one that the server asks for, or grows from a tenth of a second. By default, a
            client that the server has answered before retries when the server leaves, so that calls survive its
            restart; nothing else is retried.
        tls: how the connection is encrypted; None: not at all.
        token: a bearer token that is sent with each call. Without `tls` it can be read on the way.
        model: name of the model that answers, of those that the server has loaded; empty: its default.

    Raises:
        ConfigError: a setting is out of its range, or a file of `tls` cannot be read.
    """

    def encode(
        self,
        inputs: Sequence[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        dimensions: int = 0,
        normalize: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> EncodeResult:
        """Encode texts, items or users. One pass through the encoder gives all outputs.

        Args:
            inputs: up to `Info.max_inputs` inputs. The attributes of items and users are rendered to text.
            outputs: names from `Info.outputs`: ``item_…`` for items and texts, ``user_…`` for users.
            dimensions: number of leading numbers of each embedding; 0: all. Training puts most into the first ones.
            normalize: whether embeddings are scaled to length 1, after `dimensions` are taken.
            priority: -8 to 7; higher goes first when the server is busy.
            timeout: seconds for the call, in place of the client's.
        """
        request = EncodeRequest(listed(inputs, "inputs"), listed(outputs, "outputs"), dimensions, normalize)
        return self._call(calls.encode(request, priority), timeout)

    def encode_stream(
        self,
        inputs: Iterable[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        part: int = 64,
        in_flight: int = 4,
        priority: int = -1,
        timeout: float | None = None,
    ) -> Iterator[EncodeResult]:
        """Encode any number of inputs in parts, with only a few parts in memory.

        Args:
            inputs: the inputs, which are read when they are needed.
            outputs: see `encode`.
            part: number of inputs in a part. Each part gives one `EncodeResult`, in order.
            in_flight: maximum number of parts that wait for their results.
            priority: see `encode`. By default, bulk work goes after other requests.
            timeout: seconds for the whole stream; None: no limit.

        Raises:
            InvalidInput: an input cannot be encoded. The error names its index among all inputs; the results of earlier
                parts have been yielded.
        """
        window = Window(
            listed(outputs, "outputs"), priority, in_flight, self._connection.retries, self._connection.address
        )
        seconds = math.inf if timeout is None else self._connection.seconds(timeout)
        stream = BlockingStream(self._connection, seconds)

        def take() -> Iterator[EncodeResult]:
            retry = window.receive(stream.receive(window.unanswered))
            if retry:
                time.sleep(retry.pause)
                stream.send(retry.request)
            return window.ready()

        try:
            for chunk in parts(inputs, part):
                stream.send(window.send(chunk))
                while window.full:
                    yield from take()
            while window:
                yield from take()
        finally:
            stream.close()

    def score(
        self,
        user: User,
        candidates: Sequence[ItemReference],
        outputs: Sequence[str] = ("score",),
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> ScoreResult:
        """Score candidates for one user.

        Args:
            user: a profile and liked items; either may be empty.
            candidates: references made by `by_id`, `by_text` or `by_vector`.
            outputs: any of ``score``, which ranks items, ``probability`` that the user likes the item, and ``rating``.
            priority: see `encode`.
            timeout: seconds for the call, in place of the client's.
        """
        request = ScoreRequest(user, listed(candidates, "candidates"), listed(outputs, "outputs"))
        return self._call(calls.score(request, priority), timeout)

    def recommend(
        self,
        user: User,
        k: int = 10,
        *,
        filters: Sequence[Filter] = (),
        include_history: bool = False,
        exclude_ids: Sequence[str] = (),
        diversity: float = 0.0,
        reasons: bool = False,
        outputs: Sequence[str] = (),
        new_item_weight: float = 1.0,
        priority: int = 0,
        timeout: float | None = None,
    ) -> RecommendResult:
        """Return the best items of the catalogue for a user.

        Args:
            user: a profile and liked items; either may be empty.
            k: number of items, up to `Info.max_k`.
            filters: conditions, all of which must hold.
            include_history: whether items of the history may be recommended again.
            exclude_ids: ids of items to leave out.
            diversity: from 0, ranking by score alone, to 1; the weight of dissimilarity to the items ranked before.
            reasons: whether to explain each item.
            outputs: ``probability`` and ``rating``, in addition to the score.
            new_item_weight: above 1 for more items that training did not know, below 1 for fewer, from 1e-6 to 1e6; 1
                is what training found best. The odds of a new item against a known one are multiplied by it.
            priority: see `encode`.
            timeout: seconds for the call, in place of the client's.
        """
        request = RecommendRequest(
            user=user,
            k=k,
            filters=listed(filters, "filters"),
            include_history=include_history,
            exclude_ids=listed(exclude_ids, "exclude_ids"),
            diversity=diversity,
            reasons=reasons,
            outputs=listed(outputs, "outputs"),
            new_item_weight=new_item_weight,
        )
        return self._call(calls.recommend(request, priority), timeout)

    def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """Rank the catalogue for several users in one call; see `recommend` for the rest.

        Args:
            requests: one request a user, up to `Info.max_inputs`.
            priority: see `encode`.
            timeout: seconds for the call, in place of the client's.
        """
        return self._call(calls.recommend_many(listed(requests, "requests"), priority), timeout)

    def similar_items(
        self,
        item: ItemReference,
        k: int = 10,
        *,
        filters: Sequence[Filter] = (),
        exclude_ids: Sequence[str] = (),
        priority: int = 0,
        timeout: float | None = None,
    ) -> SimilarResult:
        """Return the items of the catalogue that are nearest to an item, by cosine similarity of `item_embedding`.

        Args:
            item: a reference made by `by_id`, `by_text` or `by_vector`. An item given by id is left out itself.
            k: number of items, up to `Info.max_k`.
            filters: conditions, all of which must hold.
            exclude_ids: ids of items to leave out.
            priority: see `encode`.
            timeout: seconds for the call, in place of the client's.
        """
        request = SimilarRequest(item, k, listed(filters, "filters"), listed(exclude_ids, "exclude_ids"))
        return self._call(calls.similar(request, priority), timeout)

    def list_items(
        self,
        page_size: int = 100,
        page_token: str = "",
        *,
        filters: Sequence[Filter] = (),
        vectors: bool = False,
        timeout: float | None = None,
    ) -> ListResult:
        """Return a page of the catalogue, in the order of the items' first insertion.

        Args:
            page_size: maximum number of items, up to `Info.max_inputs`.
            page_token: `ListResult.next_page_token` of the page before; empty: the first page.
            filters: conditions, all of which must hold.
            vectors: whether to send the items' vectors; see `get_items`.
            timeout: seconds for the call, in place of the client's.
        """
        request = ListRequest(page_size, page_token, listed(filters, "filters"))
        return self._call(calls.list_items(request, vectors), timeout)

    def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """Write a copy of the server's catalogue, as it is at one moment, to a file of this machine.

        The file appears once it is complete. The token needs the scope ``admin``.

        Args:
            path: the file, which must not exist.
            timeout: seconds for the call; None: no limit.
        """
        seconds = math.inf if timeout is None else self._connection.seconds(timeout)
        try:
            with written_whole(path) as file:
                parts = self._connection.stub.BackupCatalogue(
                    pb.BackupCatalogueRequest(), timeout=deadline(seconds), metadata=self._connection.metadata
                )
                for part in parts:
                    file.write(part.data)
        except grpc.RpcError as error:
            raise from_rpc(error, self._connection.address) from None

    def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """Add or replace items of the catalogue, all or none. They are durable and recommendable on return.

        Args:
            items: up to `Info.max_inputs` items, each id once.
            timeout: seconds for the call, in place of the client's.
        """
        return self._call(calls.upsert(items), timeout)

    def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """Delete items from the catalogue. The result names the ids that it does not have."""
        return self._call(calls.delete(ids), timeout)

    def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """Return items of the catalogue, in the order of the ids. The result names the ids that it does not have.

        Args:
            ids: up to `Info.max_inputs` ids.
            vectors: whether to send the items' vectors. If not, they are empty and the bias is 0.
            timeout: seconds for the call, in place of the client's.
        """
        return self._call(calls.get(ids, vectors), timeout)

    def info(self, *, timeout: float | None = None) -> Info:
        """Describe the server: its model, device, limits and catalogue."""
        return self._call(calls.info(), timeout)
