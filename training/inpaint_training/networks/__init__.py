"""Networks: generators, critics, and what they are made of."""
