"""Models and classical methods, judged on the same holes."""
