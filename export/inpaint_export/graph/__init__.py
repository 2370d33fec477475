"""The ONNX graph: made from a network, named, laid out for its clients."""
