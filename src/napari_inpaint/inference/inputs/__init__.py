"""What is filled: images, holes, boxes, planes."""
