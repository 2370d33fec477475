"""Models and classical methods, evaluated on the same holes."""
