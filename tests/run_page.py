"""Run the code of a page of documentation as a reader would: in a folder, block after block; see test_docs.py.

Blocks of sh are run by bash. Blocks of python share one namespace, as in one console.
"""

import json
import subprocess
import sys

from quick_command import shorten_python


def run(blocks):
    names = {"__name__": "__main__"}
    for number, (language, code) in enumerate(blocks):
        sys.stdout.write(f"--- block {number}\n")
        sys.stdout.flush()
        if language == "python":
            if "inpaint_training" in code:
                shorten_python()
            exec(compile(code, f"block {number}", "exec"), names)
        else:
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=False)
            if done.returncode:
                sys.exit(f"block {number} ended with {done.returncode}:\n{code}")


if __name__ == "__main__":  # processes that the page starts import this file, too
    run(json.load(sys.stdin))
