import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from inpaint_training.cli import main
from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.pack import pack
from inpaint_training.data.sampler import Crops
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """On networks as small as here, threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def jpeg(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def micrograph():
    """Makes grey images of 16 bits, (128, 160), all different: cells on a dim background with noise."""

    def make(seed):
        rng = np.random.default_rng(seed)
        cells = ndimage.gaussian_filter(rng.normal(size=(128, 160)), 4)
        cells = (cells - cells.min()) / np.ptp(cells)
        return (600 + 3000 * cells + rng.normal(size=cells.shape) * 20).astype(np.uint16)

    return make


@pytest.fixture(scope="session")
def photos(tmp_path_factory, photo):
    """A folder with photos: good, small, broken, repeated."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    (folder / "a.jpg").write_bytes(jpeg(photo))
    (folder / "b.jpg").write_bytes(jpeg(photo[:, ::-1]))
    (folder / "c.jpg").write_bytes(jpeg(photo[::-1]))
    (folder / "again.jpg").write_bytes(jpeg(np.asarray(Image.fromarray(photo).resize((900, 720)))))
    (folder / "sub" / "small.jpg").write_bytes(jpeg(photo[:340]))
    (folder / "sub" / "broken.jpg").write_bytes(jpeg(photo)[:5000])
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, photos):
    folder = tmp_path_factory.mktemp("data") / "photos"
    pack([photos], folder)
    return folder


@pytest.fixture(scope="session")
def crops(dataset):
    photos = PhotoDataset(dataset)
    return Crops(photos, range(len(photos)), torch.device("cpu"))


@pytest.fixture(scope="session")
def tar(tmp_path_factory, photos):
    path = tmp_path_factory.mktemp("tar") / "photos.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(photos, "photos")
    return path


SMALL = ["--network.width", "0.125", "--train.check_steps", "4", "--train.log_steps", "2", "--train.held_out", "2"]


@pytest.fixture(scope="session")
def reconstruction():
    """Words that shrink the recipe compact to six steps of reconstruction."""
    return [
        *SMALL, "--critics", "[]", "--train.steps", "6", "--phases",
        "[{share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 10, side_max: 30}, update: {warmup: 2}},"
        " {share: 1, crop: 80, batch: 1, holes: {kind: boxes, side_min: 10, side_max: 40}}]",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def adversarial():
    """Words that shrink it to twelve steps of three phases with two critics."""
    return [
        *SMALL, "--train.steps", "12",
        "--critics", "[{kind: local, width: 0.0625, side: 32, share: 0.5}, {kind: patch, width: 0.0625, share: 0.5}]",
        "--phases",
        "[{share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 16, side_max: 32}},"
        " {share: 1, crop: 72, batch: 2, holes: {kind: boxes, side_min: 16, side_max: 32}, objective: critic},"
        " {share: 1, crop: 72, batch: 2, holes: {kind: boxes-and-strokes, side_min: 16, side_max: 32, strokes: 0.5},"
        " objective: adversarial, update: {optimizer: {kind: adam, betas: [0.0, 0.9]}, lr: 1e-4, warmup: 2}}]",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def run(dataset, tmp_path_factory, reconstruction):
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(folder), *reconstruction]) == 0
    return folder


@pytest.fixture(scope="session")
def gan(dataset, tmp_path_factory, adversarial):
    folder = tmp_path_factory.mktemp("runs") / "gan"
    fit(load_recipe("compact", adversarial), dataset, folder)
    return folder
