"""Export completion networks to self-describing ONNX files, and prove them equal to PyTorch."""
