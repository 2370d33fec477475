"""Formats of image files, each with its reader and writer: pixels and everything else that a file holds."""
