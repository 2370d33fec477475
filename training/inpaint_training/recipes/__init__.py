"""The bundled recipes, and how recipes are read and written."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from jsonargparse import ArgumentParser

from inpaint_training.config import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence


def recipe_parser() -> ArgumentParser:
    """Return the parser of recipes: typed YAML, and ``--section.key value`` overrides."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe)
    return parser


def bundled_recipes() -> dict[str, Path]:
    """Return the bundled recipes' files by name."""
    folder = Path(str(files(__name__)))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and check it.

    Parameters
    ----------
    name
        A bundled recipe's name, or a YAML file.
    overrides
        Command-line words like ``--train.steps``, ``100``; they win over the file.

    Raises
    ------
    ValueError
        When there is no such recipe, or a key or value is wrong.
    """
    path = bundled_recipes().get(str(name), Path(name))
    if not path.is_file():
        raise ValueError(f"no recipe {str(name)!r}: name a YAML file or one of {', '.join(bundled_recipes())}")
    parser = recipe_parser()
    try:
        config = parser.parse_string(path.read_text(), defaults=True)
        config = parser.parse_args(list(overrides), namespace=config)
        recipe = Recipe(**parser.instantiate(config).as_dict())
    except Exception as error:  # jsonargparse wraps everything in its own kinds
        raise ValueError(f"recipe {name}: {error}") from error
    return recipe


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as YAML that `load_recipe` reads back to an equal recipe."""
    path.write_text(yaml.safe_dump(json.loads(json.dumps(asdict(recipe))), sort_keys=False))
