"""Fill holes in images of any dtype and dimension with a neural network."""

__version__ = "0.1.0"
