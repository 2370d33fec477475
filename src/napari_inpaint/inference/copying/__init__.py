"""Copying: a completion is replaced by pixels of the known region that fit into its place."""
