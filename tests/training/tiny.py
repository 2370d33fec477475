"""Words that shrink the recipe compact to seconds."""

NETWORK = ["--network.width", "0.125", "--train.check_steps", "4", "--train.log_steps", "2", "--train.held_out", "2"]

RECONSTRUCTION = [
    *NETWORK, "--critics", "[]", "--train.steps", "6", "--phases",
    "[{share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 10, side_max: 30}, update: {warmup: 2}},"
    " {share: 1, crop: 80, batch: 1, holes: {kind: boxes, side_min: 10, side_max: 40}}]",
]  # fmt: skip

ADVERSARIAL = [
    *NETWORK, "--train.steps", "12",
    "--critics", "[{kind: local, width: 0.0625, side: 32, share: 0.5}, {kind: patch, width: 0.0625, share: 0.5}]",
    "--phases",
    "[{share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 16, side_max: 32}},"
    " {share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 16, side_max: 32}, objective: critic},"
    " {share: 1, crop: 72, batch: 2, holes: {kind: boxes-and-strokes, side_min: 16, side_max: 32, strokes: 0.5},"
    " objective: adversarial, update: {optimizer: {kind: adam, betas: [0.0, 0.9]}, lr: 1e-4, warmup: 2}}]",
]  # fmt: skip
