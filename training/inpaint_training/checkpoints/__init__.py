"""Checkpoints: written, read, described, and made from one another."""
