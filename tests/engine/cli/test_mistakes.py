"""A walk through the commands with the mistakes that people make: each leads to the right next step."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import served

from emberline.engine.config import EngineConfig

Emberline = Callable[..., Any]

#: Command line, exit code, and what the one line on standard error has to say. 2: the command line or a setting is
#: wrong; 1: the command failed. SERVER is where a server listens; nobody listens on 127.0.0.1:1.
WALK = r"""
serv                                                  | 2 | No such command 'serv'. Did you mean 'serve'
nonsense                                              | 2 | No such command 'nonsense'; see `emberline --help`
--nonsense                                            | 2 | No such option: --nonsense; see `emberline --help`

serve                                                 | 2 | Missing argument 'BUNDLE'; see `emberline serve --help`
serve bundle bundle                                   | 2 | unexpected extra argument\(s\) \(bundle\)
serve nowhere --listen SERVER                         | 1 | nowhere is not a bundle: .* make one with `emberline export`
serve empty --listen SERVER                           | 1 | empty is not a bundle: it has no manifest.json
serve bundle/manifest.json                            | 1 | manifest.json is a file and not a packed bundle; name the
serve spoilt --listen 127.0.0.1:0                     | 1 | match.onnx was altered: .* copy the bundle again or export
serve bundle --listen SERVER                          | 2 | cannot listen on .*: the port is in use
serve bundle --listen 50051                           | 2 | --listen is '50051'; it must be HOST:PORT
serve bundle --precision int4                         | 2 | --precision is 'int4'; choose one of fp32, fp16
serve bundle --precision fp16 --listen 127.0.0.1:0    | 1 | has no encoder in fp16; it has fp32, int8
serve bundle --precision int8 --listen 127.0.0.1:0    | 1 | int8 did not pass the accuracy gate.*--allow-failed-gate
serve bundle --max-batch x                            | 2 | --max-batch is 'x'; write a whole number
serve bundle --max-batch 0                            | 2 | --max-batch is 0; it must be at least 1
serve bundle --max-batsch 3                           | 2 | No such option: --max-batsch .*--max-batch
serve bundle --metrics-port 99999                     | 2 | --metrics-port is 99999; it must be .* at most 65535
serve bundle --device gpu                             | 2 | --device is 'gpu'; choose from cpu, openvino
serve bundle --setting max_batch                      | 2 | --setting max_batch: write NAME=VALUE
serve bundle --setting max_batsch=3                   | 2 | there is no such setting; did you mean max_batch
serve bundle --max-batch 3 --setting max_batch=4      | 2 | the same setting; give it once
serve bundle --config nowhere.toml                    | 2 | --config nowhere.toml cannot be read .*No such file
serve bundle --config wrong.toml                      | 2 | wrong.toml: max_batsch: there is no such setting; did you

verify                                                | 2 | Missing argument 'BUNDLE'; see `emberline verify --help`
verify nowhere                                        | 1 | nowhere is not a bundle: .* make one with `emberline export`
verify empty                                          | 1 | empty is not a bundle
verify bundle/manifest.json                           | 1 | manifest.json is a file and not a packed bundle; name the
verify spoilt                                         | 1 | spoilt is damaged: match.onnx; copy it again or export it
verify bundle                                         | 1 | the accuracy gate rejects int8; serve another precision
verify bundle bundle                                  | 2 | unexpected extra argument
verify bundle --jsn                                   | 2 | No such option: --jsn .*--json
verify bundle --server SERVER                         | 2 | No such option: --server .*see `emberline verify --help`
verify --bundle bundle                                | 2 | No such option: --bundle

encode                                                | 1 | standard input has no text; give one per line, or as an arg
encode a ' '                                          | 2 | TEXT: is empty; give it words
encode a --output nonsense                            | 2 | --output: 'nonsense' is not known; .*sentence_embedding
encode a --output user_embedding                      | 2 | --output: user_embedding is not defined on .* not a user
encode a --as-users --output item_embedding           | 2 | --output: item_embedding is not defined on .* is a user
encode a --out x.txt                                  | 2 | x.txt is neither .npy nor .npz
encode a --out nowhere/x.npy                          | 1 | nowhere/x.npy cannot be written: No such file or directory
encode a --timeout x                                  | 2 | Invalid value for '--timeout'
encode a --timeout 0                                  | 2 | timeout is 0.0; it must be more than 0 seconds
encode a --server 50051                               | 2 | the server is '50051'; it must be HOST:PORT
encode a --zzz x                                      | 2 | No such option: --zzz; see `emberline encode --help`
encode a --server 127.0.0.1:1                         | 1 | 127.0.0.1:1 cannot be reached .*check that a server listens

score                                                 | 2 | name items by id, or give their texts with --text
score nothing                                         | 1 | ID: no item 'nothing' in the catalogue; upsert it first or
score alien --like nope                               | 1 | --like: no item 'nope' in the catalogue
score alien --like ''                                 | 2 | --like: is empty; every item needs an id
score --text ''                                       | 2 | --text: is empty
score alien --output nonsense                         | 2 | --output: 'nonsense' is not known; .*score, probability
score alien --about age                               | 2 | 'age' is not NAME=VALUE, for instance
score alien --about age=25 --profile 'age: 25'        | 2 | --about .* in place of a --profile; give one of the two
score alien --output                                  | 2 | Option '--output' requires an argument
score alien --agee 5                                  | 2 | No such option: --agee
score alien --timeout x                               | 2 | Invalid value for '--timeout'

recommend -k 0                                        | 2 | -k: is 0; ask for 1 item or more
recommend -k x                                        | 2 | Invalid value for '-k'
recommend -k 100000                                   | 2 | -k: is 100000; ask for 1 to 1000 items
recommend -k                                          | 2 | Option '-k' requires an argument
recommend 5                                           | 2 | unexpected extra argument
recommend --where genre=Horror                        | 2 | --where: no item has an attribute 'genre'; .*genres
recommend --where 'genres Horror'                     | 2 | 'genres Horror' is not a condition; write FIELD=A|B
recommend --where 'year>=x'                           | 2 | compares with 'x', which is not a number
recommend --diversity 2                               | 2 | --diversity: is 2.0; it lies between 0
recommend --new-item-weight 0                         | 2 | --new-item-weight: is 0; it lies between 1e-06 and
recommend --output nonsense                           | 2 | --output: 'nonsense' is not known
recommend --profile a --about age=2                   | 2 | give one of the two
recommend --like nope                                 | 1 | --like: no item 'nope'

items nonsense                                        | 2 | No such command 'nonsense'; see `emberline items --help`
items upsert                                          | 2 | give either a FILE \(- for standard input\) or one item
items upsert nowhere.jsonl                            | 1 | nowhere.jsonl cannot be read: No such file
items upsert bundle                                   | 1 | bundle cannot be read: Is a directory
items upsert items.jsonl                              | 1 | items.jsonl:2 is not valid JSON .*one item per line
items upsert noid.jsonl                               | 1 | noid.jsonl:1 has no id; give the item one
items upsert none.jsonl                               | 1 | none.jsonl has no items
items upsert items.jsonl --id x                       | 2 | give either a FILE
items upsert items.jsonl --set a=b                    | 2 | describe the item of --id, not the items of a FILE
items upsert --id x                                   | 1 | --id x: has neither text nor attributes; give one of them
items upsert --id x --set title                       | 2 | 'title' is not NAME=VALUE
items upsert --set title=x                            | 2 | one item with --id

items delete                                          | 2 | Missing argument 'ID...'
items delete nope                                     | 1 | not in the catalogue: nope
items delete ''                                       | 2 | ID: is empty
items delete --id alien                               | 2 | No such option: --id; see `emberline items delete --help`
items delete alien --server 127.0.0.1:1               | 1 | cannot be reached .*check that a server listens
items delete alien --server 127.0.0.1                 | 2 | the server is '127.0.0.1'; it must be HOST:PORT
items delete alien --timeout 0                        | 2 | timeout is 0.0
items delete alien --timeout x                        | 2 | Invalid value for '--timeout'
items delete alien --where year=1                     | 2 | No such option: --where
items delete alien --jso                              | 2 | No such option: --jso .*--json

items get                                             | 2 | Missing argument 'ID...'
items get nope                                        | 1 | not in the catalogue: nope
items get ''                                          | 2 | ID: is empty
items get --all                                       | 2 | No such option: --all
items get alien --vectors                             | 2 | vectors are for programs; add --json
items get alien --jso                                 | 2 | No such option: --jso .*--json
items get alien --timeout 0                           | 2 | timeout is 0.0
items get alien --timeout x                           | 2 | Invalid value for '--timeout'
items get alien --server 127.0.0.1:1                  | 1 | cannot be reached
items get alien --server localhost                    | 2 | it must be HOST:PORT

info x                                                | 2 | unexpected extra argument
info --server ''                                      | 2 | the server is ''; it must be HOST:PORT
info --server localhost                               | 2 | the server is 'localhost'; it must be HOST:PORT
info --server :50051                                  | 2 | the server is ':50051'; it must be HOST:PORT
info --server 127.0.0.1:99999                         | 2 | a port above 65535
info --server http://127.0.0.1:1                      | 2 | is a URL; write HOST:PORT
info --server 127.0.0.1:1                             | 1 | 127.0.0.1:1 cannot be reached
info --timeout x                                      | 2 | Invalid value for '--timeout'
info --timeout -1                                     | 2 | timeout is -1.0; it must be more than 0
info --jsn                                            | 2 | No such option: --jsn .*--json

health x                                              | 2 | unexpected extra argument
health --server ''                                    | 2 | the server is ''; it must be HOST:PORT
health --server localhost                             | 2 | the server is 'localhost'; it must be HOST:PORT
health --server :50051                                | 2 | the server is ':50051'; it must be HOST:PORT
health --server 127.0.0.1:99999                       | 2 | a port above 65535
health --server http://127.0.0.1:1                    | 2 | is a URL; write HOST:PORT
health --server 127.0.0.1:1 --timeout 0.1             | 1 | not ready within 0.1 s; check that a server runs there
health --timeout x                                    | 2 | Invalid value for '--timeout'
health --timeout 0                                    | 2 | timeout is 0.0; it must be more than 0
health --json                                         | 2 | No such option: --json
"""

CASES = [tuple(map(str.strip, line.split("|", 2))) for line in WALK.splitlines() if line.strip()]
#: Those that show a table on standard output beside the line.
_SHOWN = ("verify spoilt", "verify bundle", "items delete nope", "items get nope")


@pytest.fixture(scope="module")
def shop(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, a damaged one, and files with mistakes."""
    folder = tmp_path_factory.mktemp("walk")
    for name in ("bundle", "spoilt"):
        (folder / name).mkdir()
        for file in tiny_bundle.iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    (folder / "spoilt" / "match.onnx").write_bytes(b"x")
    (folder / "empty").mkdir()
    (folder / "wrong.toml").write_text("max_batsch = 16\n")
    (folder / "items.jsonl").write_text('{"id": "a", "title": "x"}\n{"id": }\n')
    (folder / "noid.jsonl").write_text('{"title": "x"}\n')
    (folder / "none.jsonl").write_text("")
    return folder


@pytest.fixture(scope="module")
def server(shop: Path) -> Iterator[str]:
    """Where a server listens."""
    with served(EngineConfig(bundle=shop / "bundle", threads=1)) as address:
        yield address


@pytest.mark.parametrize(("line", "code", "expected"), CASES, ids=[line for line, _, _ in CASES])
def test_a_mistake_leads_to_the_next_step(
    emberline: Emberline, monkeypatch: pytest.MonkeyPatch, shop: Path, server: str, line: str, code: str, expected: str
) -> None:
    """One line on standard error names the thing, the reason and the next step; the exit code names the fault."""
    monkeypatch.chdir(shop)
    monkeypatch.setenv("EMBERLINE_SERVER", server)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    result = emberline(*shlex.split(line.replace("SERVER", server)))
    # gRPC logs here too, as it was loaded before the program could silence it.
    (message,) = (line for line in result.err.splitlines() if "add_port.cc" not in line)
    assert message.startswith("emberline: ")
    assert re.search(expected, message), message
    assert result.code == int(code)
    assert bool(result.out) == (line in _SHOWN)


def test_each_command_is_walked_with_ten_mistakes() -> None:
    """No command is left out."""
    for command in (
        "serve",
        "verify",
        "encode",
        "score",
        "recommend",
        "items upsert",
        "items delete",
        "items get",
        "info",
        "health",
    ):
        assert sum(line.split("--")[0].strip().startswith(command) for line, _, _ in CASES) >= 10, command
