import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from inpaint_training.pack import pack


def jpeg(array, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


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
def tar(tmp_path_factory, photos):
    path = tmp_path_factory.mktemp("tar") / "photos.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(photos, "photos")
    return path
