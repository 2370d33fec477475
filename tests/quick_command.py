"""A command of ours on small input: called by its name, it does what that does, with less work; see test_docs.py."""

import sys
from pathlib import Path


def shorten_training(words):
    """Four steps of single crops."""
    from inpaint_training.recipes import load_recipe

    if words[0] != "fit":
        return words
    phases = range(len(load_recipe(words[words.index("--recipe") + 1]).phases))
    batches = [word for number in phases for word in (f"--phases.{number}.batch", "1")]
    return [*words, *batches, "--train.steps", "4", "--train.check_steps", "4", "--train.held_out", "2"]


def run(command, words):
    if command == "inpaint-train":
        from inpaint_training.cli import main

        return main(shorten_training(words))
    import inpaint_export.verify
    from inpaint_export.cli import main

    inpaint_export.verify.SIZES, inpaint_export.verify.REPEATS = ((1, 1), (70, 75)), 1
    return main(words)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[0]).name, sys.argv[1:]))
