# make demo   remove a date from a photo        make test       everything that must pass
# make lint   style, types, import contracts    make test-all   make test and the slow proofs
# make docs   the site, into build/site         make picture    the pictures of README and documentation
# make test-pyside   the plugin's tests with the other Qt binding
# make test-lowest   the engine's and the command's tests with the oldest dependencies allowed
# make test-bioimageio   a package for the BioImage Model Zoo, judged by the zoo's own tool
# make test-openvino   exported models in OpenVINO, alone and as a provider of ONNX Runtime

PYTHON ?= python3
BIN := .venv/bin
TWO_AT_ONCE := -n 2 --dist loadfile # fixtures that take long are made once for each file
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all test-pyside test-lowest test-bioimageio test-openvino lint docs picture clean

demo: .venv/demo
	$(BIN)/python examples/demo.py

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	tools/install-system-libraries
	$(BIN)/python -m pytest -m "not slow" $(TWO_AT_ONCE)

test-all: lint
	tools/install-system-libraries
	$(BIN)/python -m pytest $(TWO_AT_ONCE)
	$(MAKE) test-openvino

test-pyside: .venv-pyside/ready
	tools/install-system-libraries
	QT_API=pyside6 .venv-pyside/bin/python -m pytest -o qt_api=pyside6 tests/plugin

test-lowest: .venv-lowest/ready
	.venv-lowest/bin/python -m pytest -m "not slow" tests/inference tests/io tests/command tests/test_imports.py \
		--ignore tests/inference/blending/test_pullpush.py

test-bioimageio: .venv/test .venv-bioimageio/ready
	mkdir -p build
	$(BIN)/inpaint-export weights/compact build/compact.onnx --bioimageio build/compact.zip --overwrite
	.venv-bioimageio/bin/bioimageio test build/compact.zip

test-openvino: .venv/test .venv-openvino/ready
	OPENVINO_PYTHON=.venv-openvino/bin/python $(BIN)/python -m pytest tests/export/test_openvino.py

docs: .venv/test
	$(BIN)/python -m mkdocs build --strict --site-dir build/site

picture: .venv/test
	tools/install-system-libraries
	xvfb-run -a -s "-screen 0 1920x1080x24" $(BIN)/python docs/make_pictures.py

.venv/demo: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e .
	touch $@

.venv/test: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[test]'
	touch $@ .venv/demo

# An environment of its own: with both bindings installed, libraries choose for themselves. PySide6 6.12 miscounts the
# references to True, False and None, which ends a Python before 3.12 after a minute or two.
.venv-pyside/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-pyside
	.venv-pyside/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[big]' napari "PySide6; python_version >= '3.12'" "PySide6<6.12; python_version < '3.12'" \
		hypothesis pytest pytest-qt "pytest-xvfb; sys_platform == 'linux'"
	touch $@

# For Python 3.11: the oldest versions have no wheels for newer ones. Without torch, which one module of tests needs.
.venv-lowest/ready: pyproject.toml tools/lowest-versions
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python tools/lowest-versions > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -c .venv-lowest/lowest.txt \
		-e '.[big]' hypothesis onnx opencv-contrib-python-headless pytest scikit-image
	touch $@

# An environment of its own: bioimageio.core brings another runtime, and does not work with the newest pydantic.
.venv-bioimageio/ready:
	$(PYTHON) -m venv .venv-bioimageio
	.venv-bioimageio/bin/pip install --quiet --disable-pip-version-check "bioimageio.core==0.11.*" "pydantic<2.14" onnxruntime
	touch $@

# An environment of its own: onnxruntime-openvino overwrites the files of onnxruntime.
.venv-openvino/ready:
	$(PYTHON) -m venv .venv-openvino
	.venv-openvino/bin/pip install --quiet --disable-pip-version-check numpy openvino onnxruntime-openvino
	touch $@

.venv/bin/python:
	PYTHON="$(PYTHON)" tools/make-venv

clean:
	rm -rf .venv .venv-pyside .venv-lowest .venv-bioimageio .venv-openvino build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
