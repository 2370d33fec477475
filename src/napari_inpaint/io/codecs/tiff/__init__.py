"""TIFF: read with tifffile; written by changing what is filled in a copy of the file, so that all else stays."""
