"""Layers in half precision and in eight bits."""
