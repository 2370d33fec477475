"""The bundled recipes, and how recipes are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from inpaint_training.recipes.recipe import Recipe
from inpaint_training.settings import to_sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def bundled_recipes() -> dict[str, Path]:
    """Return the bundled recipes' files by name."""
    folder = Path(str(files("inpaint_training.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str | Path | Recipe, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read a recipe and check it.

    Parameters
    ----------
    name
        A bundled recipe's name, a YAML file, or a recipe that was read.
    overrides
        Command-line words like ``--train.steps``, ``100`` or ``--phases.0.batch=4``, or the same as a mapping:
        ``{"train.steps": 100, "phases.0.batch": 4}``. They win over the recipe.

    Raises
    ------
    ValueError
        When there is no such recipe, or a key or value is wrong.
    """
    recipe = name if isinstance(name, Recipe) else _validate(name, _read_fields(name, ()))
    name = recipe.name if isinstance(name, Recipe) else name
    # What replaces whole parts comes first, so that single keys find the defaults of the new part.
    changes = list(overrides.items() if isinstance(overrides, Mapping) else split_overrides(overrides))
    for whole in (True, False):
        stage = [change for change in changes if _holds_keys(change[1]) == whole]
        fields = to_plain(recipe)
        for key, value in stage:
            override(fields, str(key), value, "--")
        recipe = _validate(name, fields) if stage else recipe
    return recipe


def _holds_keys(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_keys, value)))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: YAML would quietly keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise yaml.YAMLError(f"the key {twice!r} stands there twice")
        return super().construct_mapping(node, deep)


def _read_fields(name: str | Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """Return the keys and values of a recipe; those of one with a ``base`` are the base's with its ``changes``."""
    path = bundled_recipes().get(str(name), Path(name))
    if not path.is_file():
        raise ValueError(f"no recipe {str(name)!r}: name a YAML file or one of {', '.join(bundled_recipes())}")
    if path in below:
        raise ValueError(f"recipe {name} is its own base")
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"recipe {name} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"recipe {name} is no mapping of keys to values")
    fields = {str(key): value for key, value in fields.items()}
    if "base" in fields:
        base, changes = fields.pop("base"), fields.pop("changes", None) or {}
        if not isinstance(base, str) or not isinstance(changes, dict):
            raise ValueError(
                f"recipe {name}: base must be a recipe's name or file, changes a mapping of keys to values"
            )
        beside = path.parent / base
        source = beside if base not in bundled_recipes() and beside.is_file() else base
        complete = to_plain(_validate(base, _read_fields(source, (*below, path))))
        for key, value in changes.items():
            override(complete, str(key), value, f"recipe {name}: ")
        fields = complete | fields
    return fields


def _validate(name: str | Path, fields: dict[str, Any]) -> Recipe:
    try:
        return TypeAdapter(Recipe).validate_python(fields)
    except ValidationError as error:
        raise ValueError(f"recipe {name}: {to_sentence(error)}") from error
    except RecursionError as error:
        raise ValueError(f"recipe {name} is nested too deeply") from error


def split_overrides(words: Sequence[str]) -> Iterable[tuple[str, Any]]:
    """Yield key and value of every ``--key value`` and ``--key=value``; values are YAML.

    Raises
    ------
    ValueError
        When a word is no key, or a value is missing.
    """
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise ValueError(f"unrecognised argument {word!r}: a key of the recipe looks like --train.steps 100")
        if not equals:
            if not waiting:
                raise ValueError(f"{word} needs a value")
            value = waiting.pop(0)
        try:
            yield key, yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(f"{word}: the value {value!r} is no YAML") from error


def override(fields: Any, key: str, value: Any, prefix: str) -> None:
    """Set ``fields["a"][0]["b"]`` for the key ``a.0.b``.

    Raises
    ------
    ValueError
        When there is no such key.
    """
    *parents, last = key.split(".")
    for parent in parents:
        fields = _step_into(fields, parent, prefix + key)
    if isinstance(fields, dict):
        fields[last] = value
    else:
        _step_into(fields, last, prefix + key)
        fields[int(last)] = value


def _step_into(fields: Any, name: str, key: str) -> Any:
    if isinstance(fields, dict):
        return fields.setdefault(name, {})  # an unknown name is refused when the recipe is checked
    if isinstance(fields, list) and name.isdecimal() and int(name) < len(fields):
        return fields[int(name)]
    raise ValueError(f"{key}: the recipe has no {name!r}")


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as YAML that `load_recipe` reads back to an equal recipe."""
    path.write_text(yaml.safe_dump(to_plain(recipe), sort_keys=False), encoding="utf-8")


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as dictionaries, lists, numbers and strings."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain
