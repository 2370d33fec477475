"""The engine: from an array with holes to the same array, filled. Imports neither torch nor a GUI."""
