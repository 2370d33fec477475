"""Windows: the crops around holes that the network sees, and what a fill changes in them."""
