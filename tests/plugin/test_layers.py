"""Shapes land on the right pixels, whatever the transforms of image and shapes layer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Shapes

from napari_inpaint.plugin.layers import KEPT_ATTRIBUTES, rasterise, read_job, to_layer

TRANSFORMS = {
    "plain": {},
    "scaled": {"scale": (0.5, 0.25)},
    "translated": {"translate": (-30, 12.5)},
    "scaled, rotated, translated": {"scale": (2, 2), "rotate": 90, "translate": (7, -3)},
    "sheared": {"shear": [0.5]},
    "affine": {"affine": np.array([[0, 2, 5], [3, 0, -7], [0, 0, 1]])},
}


def make_shapes(*corners, **options):
    """A Shapes layer of rectangles, each given by two opposite corners in the layer's own coordinates."""
    shapes = Shapes(ndim=2, **options)
    for (y0, x0), (y1, x1) in corners:
        shapes.add_rectangles(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))
    return shapes


def read(image, shapes, point=None):
    point = (0,) * image.ndim if point is None else point
    return read_job(image, shapes, point, (len(point) - 2, len(point) - 1))


@pytest.mark.parametrize("options", TRANSFORMS.values(), ids=TRANSFORMS)
def test_a_rectangle_around_world_corners_of_pixels_marks_exactly_these_pixels(options):
    image = Image(np.zeros((40, 50), np.uint8), **options)
    corners = np.array([(9.5, 19.5), (9.5, 29.5), (14.5, 29.5), (14.5, 19.5)])
    world = np.array([image.data_to_world(p) for p in corners])
    shapes = Shapes(world, shape_type="polygon")
    expected = np.zeros((40, 50), bool)
    expected[10:15, 20:30] = True
    np.testing.assert_array_equal(read(image, shapes).mask, expected)


@given(
    st.tuples(*[st.floats(-20, 70, width=32)] * 4), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-50, 50),
    st.floats(0.1, 5),
)  # fmt: skip
def test_a_world_rectangle_fills_the_pixels_whose_centres_lie_in_it(ends, scale_y, scale_x, shift, shapes_scale):
    image = Image(np.zeros((40, 50), np.uint8), scale=(scale_y, scale_x), translate=(shift, -shift))
    y0, y1 = sorted(ends[:2])
    x0, x1 = sorted(ends[2:])
    shapes = make_shapes(((y0, x0), (y1, x1)), scale=(shapes_scale, shapes_scale))
    y, x = np.arange(40) * scale_y + shift, np.arange(50) * scale_x - shift
    slack = 1e-4 * max(1, abs(shift)) * max(scale_y, scale_x, 1)

    def inside(slack):
        rows = (y >= y0 * shapes_scale - slack) & (y <= y1 * shapes_scale + slack)
        columns = (x >= x0 * shapes_scale - slack) & (x <= x1 * shapes_scale + slack)
        return rows[:, None] & columns

    if not inside(slack).any():
        with pytest.raises(ValueError, match="no pixel"):
            read(image, shapes)
    elif inside(-slack).all():
        with pytest.raises(ValueError, match="no pixel is known"):
            read(image, shapes)
    elif inside(-slack).any() and not inside(slack).all():
        mask = read(image, shapes).mask
        assert not (mask & ~inside(slack)).any()
        assert not (inside(-slack) & ~mask).any()


def test_the_documented_edges():
    mask = np.zeros((40, 40), bool)
    rasterise(np.array([(10, 10), (10, 20), (20, 20), (20, 10)], float), mask)
    assert np.argwhere(mask).min() == 10
    assert np.argwhere(mask).max() == 20
    mask[:] = False
    rasterise(np.array([(9.5, 9.5), (9.5, 19.5), (19.5, 19.5), (19.5, 9.5)]), mask)
    assert mask.sum() == 100


def test_rotated_rectangles_polygons_and_ellipses():
    image = Image(np.zeros((60, 60), np.uint8))
    diamond = Shapes(np.array([(10, 30), (30, 50), (50, 30), (30, 10)]), shape_type="rectangle")
    y, x = np.mgrid[:60, :60]
    distance = np.abs(y - 30) + np.abs(x - 30)
    mask = read(image, diamond).mask
    assert mask[distance < 20].all()
    assert not mask[distance > 20].any()
    ellipse = Shapes(np.array([(10, 20), (10, 40), (50, 40), (50, 20)]), shape_type="ellipse")
    radius = np.hypot((y - 30) / 20, (x - 30) / 10)
    mask = read(image, ellipse).mask
    assert mask[radius < 0.97].all()
    assert not mask[radius > 1.03].any()


def test_shapes_beyond_the_image_are_clipped_and_it_is_known():
    image = Image(np.zeros((40, 50), np.uint8))
    job = read(image, make_shapes(((-10, -10), (5, 5))))
    assert job.clipped
    assert job.mask[:6, :6].all()
    assert job.mask.sum() == 36
    assert not read(image, make_shapes(((1, 1), (5, 5)))).clipped


def test_only_the_current_slice_of_a_stack_is_filled():
    stack = np.random.default_rng(0).integers(0, 255, (4, 30, 40), np.uint8)
    image = Image(stack, scale=(2, 1, 1))
    job = read(image, make_shapes(((5, 5), (9, 9))), point=(4, 0, 0))
    assert job.plane == (2,)
    data, _ = to_layer(job, np.full((30, 40), 7, np.uint8), {})
    assert (data[2] == 7).all()
    np.testing.assert_array_equal(data[[0, 1, 3]], stack[[0, 1, 3]])


def test_shapes_drawn_on_a_slice_count_on_that_slice_only():
    image = Image(np.zeros((4, 30, 40), np.uint8))
    shapes = Shapes(np.array([(1, 5, 5), (1, 5, 9), (1, 9, 9), (1, 9, 5)]), shape_type="rectangle")
    assert read(image, shapes, point=(1, 0, 0)).mask.sum() == 25
    with pytest.raises(ValueError, match="no shape on the current slice"):
        read(image, shapes, point=(2, 0, 0))


def test_shapes_with_other_dimensions_count_where_they_are_seen():
    corners = np.array([(1, 5, 5), (1, 5, 9), (1, 9, 9), (1, 9, 5)])
    four = Image(np.zeros((2, 4, 30, 40), np.uint8))
    assert read(four, Shapes(corners, shape_type="rectangle"), point=(0, 1, 0, 0)).plane == (0, 1)
    with pytest.raises(ValueError, match="no shape on the current slice"):
        read(four, Shapes(corners, shape_type="rectangle"), point=(0, 3, 0, 0))
    flat = Image(np.zeros((30, 40), np.uint8))
    with pytest.raises(ValueError, match="no shape on the current slice"):
        read(flat, Shapes(corners, shape_type="rectangle"), point=(3, 0, 0))


def test_the_job_is_detached_and_an_earlier_record_is_kept():
    image = Image(np.zeros((30, 40), np.uint8), metadata={"napari_inpaint": {"model": "first"}})
    job = read(image, make_shapes(((5, 5), (9, 9))))
    image.data[:] = 9
    data, attributes = to_layer(job, job.pixels, {"model": "second"})
    assert (data == 0).all()
    assert attributes["metadata"]["napari_inpaint"]["previous"] == {"model": "first"}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (Shapes(ndim=2, name="empty"), "'empty' is empty"),
        (Shapes(np.array([(1, 1), (9, 9)]), shape_type="line"), "a line has no inside"),
        (make_shapes(((100, 100), (110, 110))), "no pixel of"),
        (make_shapes(((-1, -1), (110, 110))), "no pixel is known"),
    ],
)
def test_refusals_say_what_to_do(shapes, message):
    with pytest.raises(ValueError, match=message):
        read(Image(np.zeros((40, 50), np.uint8), name="photo"), shapes)


def test_3d_display_and_transposed_axes_are_refused():
    image, shapes = Image(np.zeros((4, 30, 40), np.uint8)), make_shapes(((5, 5), (9, 9)))
    for displayed in ((0, 1, 2), (0, 1), (2, 1)):
        with pytest.raises(ValueError, match="2-D display"):
            read_job(image, shapes, (0, 0, 0), displayed)


def test_the_result_takes_over_everything_that_is_seen(photo):
    image = Image(
        photo[..., 0], name="photo", scale=(0.5, 0.25), translate=(3, 4), rotate=30, shear=[0.1], colormap="magma",
        contrast_limits=(10, 200), gamma=0.7, blending="additive", opacity=0.8, metadata={"mine": 1},
        units=("um", "um"), axis_labels=("y", "x"), interpolation2d="linear",
    )  # fmt: skip
    job = read(image, Shapes(np.array([image.data_to_world(p) for p in [(5, 5), (5, 40), (40, 40), (40, 5)]]),
                             shape_type="polygon"))  # fmt: skip
    data, attributes = to_layer(job, job.pixels, {"model": "compact"})
    result = Image(data, **attributes)
    assert result.name == "photo filled"
    assert result.metadata["mine"] == 1
    assert result.metadata["napari_inpaint"]["model"] == "compact"
    assert image.metadata == {"mine": 1}
    for name in KEPT_ATTRIBUTES:
        if name not in ("affine", "colormap"):
            assert np.all(np.asarray(getattr(result, name)) == np.asarray(getattr(image, name))), name
    assert result.colormap.name == "magma"
    np.testing.assert_allclose(result.extent.world, image.extent.world)
