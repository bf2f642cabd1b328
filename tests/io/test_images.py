"""Decoding: open_clip's own preprocessing to the pixel, and every kind of picture file people have."""

import io
import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curator.errors import DataError
from curator.io.decoding import images
from curator.types import Preprocessing

P = Preprocessing(size=32, resize_to=32)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        images.decode_bytes(data, P)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_prepare_equals_open_clip_pixel_for_pixel(mode, interpolation):
    from open_clip.transform import image_transform

    for size in (224, 33):
        theirs = image_transform(size, False, resize_mode=mode, interpolation=interpolation, fill_color=77)
        before_tensor = [t for t in theirs.transforms if type(t).__name__ not in ("MaybeToTensor", "Normalize")]
        ours = Preprocessing(size, size, mode, interpolation, fill=77)
        for width, height in [(320, 240), (241, 320), (224, 224), (100, 37), (37, 101), (1001, 333), (1, 5), (900, 70)]:
            image = want = noise(width, height)
            for step in before_tensor:
                want = step(want)
            assert np.array_equal(images.prepare(image, ours), np.asarray(want)), (size, width, height)


def test_prepare_resizes_to_more_than_it_keeps_and_pads_what_is_too_small():
    gradient = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 3)))
    middle = images.prepare(gradient, Preprocessing(size=16, resize_to=64))
    assert middle[:, 0, 0].tolist() == list(range(24, 40))
    padded = images.prepare(gradient.resize((8, 8)), Preprocessing(size=16, resize_to=8))
    assert padded.shape == (16, 16, 3)
    assert not padded[:4].any()
    assert padded[4:12, 4:12].any()


@pytest.mark.parametrize(("width", "height"), [(1, 30_000), (60_000, 1), (1, 1), (2, 1)])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_any_aspect_ratio_works(width, height, mode):
    photo = images.decode_bytes(encoded(Image.new("L", (width, height), 90), "PNG"), Preprocessing(32, 32, mode))
    assert photo.input.shape == (32, 32, 3)
    assert set(np.unique(photo.input)) <= {0, 90}
    assert (photo.input == 90).any()
    assert max(photo.pixels.shape) <= images.ANALYSIS_SIDE
    assert (photo.facts.width, photo.facts.height) == (width, height)


def test_a_very_long_picture_is_cut_where_a_normal_one_would_be():
    tall = noise(4, 2000).resize((40, 20_000))
    want = tall.resize((32, 16_000), Image.Resampling.BICUBIC).crop((0, 7984, 32, 8016))
    got = images.prepare(tall, P)
    assert np.abs(got.astype(int) - np.asarray(want)).mean() < 1.5


GREY = np.tile(np.linspace(0, 255, 48).round().astype(np.uint8), (40, 1))
DEEP = GREY.astype(np.uint16) * 257


def pictures_of_the_same_ramp() -> dict[str, bytes]:
    grey = Image.fromarray(GREY)
    return {
        "L": encoded(grey, "PNG"),
        "LA": encoded(grey.convert("LA"), "PNG"),
        "palette": encoded(grey.convert("P"), "PNG"),
        "RGB": encoded(grey.convert("RGB"), "BMP"),
        "RGBA": encoded(grey.convert("RGBA"), "PNG"),
        "GIF": encoded(grey, "GIF"),
        "WebP": encoded(grey.convert("RGB"), "WEBP", lossless=True),
        "JPEG 2000": encoded(grey, "JPEG2000"),
        "CMYK TIFF": encoded(grey.convert("RGB").convert("CMYK"), "TIFF"),
        "CMYK JPEG": encoded(grey.convert("RGB").convert("CMYK"), "JPEG", quality=100),
        "YCbCr TIFF": encoded(grey.convert("YCbCr"), "TIFF"),
        "16-bit PNG": encoded(Image.fromarray(DEEP), "PNG"),
        "16-bit TIFF": encoded(Image.fromarray(DEEP), "TIFF"),
        "16-bit big-endian TIFF": encoded(Image.frombytes("I;16B", (48, 40), DEEP.astype(">u2").tobytes()), "TIFF"),
        "16-bit PGM": encoded(Image.fromarray(DEEP), "PPM"),
        "8 in 32-bit TIFF": encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF"),
        "32-bit TIFF": encoded(Image.fromarray(GREY.astype(np.int32) * 1_000_000 - 5), "TIFF"),
        "float 0..1": encoded(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"),
        "float 0..255": encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
        "float -3..9": encoded(Image.fromarray((GREY / 255 * 12 - 3).astype(np.float32)), "TIFF"),
    }


@pytest.mark.parametrize("name", pictures_of_the_same_ramp())
def test_every_mode_decodes_to_the_same_picture(name):
    photo = images.decode_bytes(pictures_of_the_same_ramp()[name], P)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape == (40, 48, 3)
    assert np.abs(photo.pixels.astype(int) - GREY[:, :, None]).max() <= (3 if "JPEG" in name else 0)


def test_one_bit_is_black_and_white():
    photo = images.decode_bytes(encoded(Image.fromarray(GREY > 127), "PNG"), P)
    assert np.array_equal(photo.pixels[..., 1], np.where(GREY > 127, 255, 0))


def test_lab_becomes_rgb():
    photo = images.decode_bytes(encoded(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), P)
    assert photo.pixels.min() > 245


def test_what_is_not_finite_becomes_black():
    values = np.full((4, 4), np.nan, np.float32)
    values[0] = [np.inf, -np.inf, 0.5, 1.0]
    photo = images.decode_bytes(encoded(Image.fromarray(values), "TIFF"), P)
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 128, 255]
    assert not photo.pixels[1:].any()
    assert not images.decode_bytes(encoded(Image.fromarray(values * np.nan), "TIFF"), P).pixels.any()


def test_one_value_everywhere_and_more_rows_than_a_block_are_scaled_as_one(monkeypatch):
    flat = images.decode_bytes(encoded(Image.fromarray(np.full((5, 4), 3e5, np.float32)), "TIFF"), P)
    assert not flat.pixels.any()
    monkeypatch.setattr(images, "_BLOCK_PIXELS", 100)
    ramp = np.linspace(-3, 9, 40 * 48).reshape(40, 48).astype(np.float32)
    photo = images.decode_bytes(encoded(Image.fromarray(ramp), "TIFF"), P)
    assert np.abs(photo.pixels[..., 0] - (ramp + 3) / 12 * 255).max() <= 0.51


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "P":
        image = Image.fromarray(np.repeat([[1, 0]], 8, 0).repeat(4, 1).astype(np.uint8), "L").convert("P")
        data = encoded(image, "PNG", transparency=0)
    else:
        data = encoded(image.convert(mode), "PNG")
    pixels = images.decode_bytes(data, P).pixels
    assert (pixels[:, 4:] == 255).all()
    assert (pixels[:, :4] <= 1).all()


def test_only_the_first_frame_of_an_animation_counts():
    red, blue = Image.new("RGB", (9, 9), (255, 0, 0)), Image.new("RGB", (9, 9), (0, 0, 255))
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        photo = images.decode_bytes(encoded(red, kind, save_all=True, append_images=[blue, red]), P)
        assert photo.facts.n_frames == 3, kind
        assert photo.pixels[4, 4, 0] > 240, kind
        assert photo.pixels[4, 4, 2] < 15, kind


def test_a_damaged_later_frame_of_another_mode_does_not_change_the_first():
    frames = [noise(40, 30), noise(40, 30, 1).convert("L"), noise(40, 30, 2)]
    sound = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    n_read = 0
    for k in range(0, len(sound), 3):
        try:
            photo = images.decode_bytes(sound[:k] + b"\xff\xfe\x09" + sound[k + 3 :], P)
        except DataError:
            continue
        n_read += 1
        assert photo.pixels.ndim == 3, k
        assert photo.input.shape == (32, 32, 3)
    assert n_read > 1000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, "tl"), (2, "tr"), (3, "br"), (4, "bl"), (5, "tl"), (6, "tr"), (7, "br"), (8, "bl")]
)
def test_exif_rotation_is_applied(kind, orientation, corner):
    stored = Image.new("L", (64, 32))
    stored.paste(255, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = images.decode_bytes(encoded(stored.convert("RGB"), kind, exif=exif), P)
    height, width = photo.pixels.shape[:2]
    assert (width, height) == ((64, 32) if orientation <= 4 else (32, 64))
    assert (photo.facts.width, photo.facts.height) == (width, height)
    y = height // 4 if corner[0] == "t" else 3 * height // 4
    x = width // 4 if corner[1] == "l" else 3 * width // 4
    bright = np.argwhere(photo.pixels[..., 0] > 200).mean(axis=0)
    assert np.abs(bright - [y, x]).max() < 2


def test_camera_and_date_are_read_and_places_are_not():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon\x00", "Canon EOS 5D\n"
    exif.get_ifd(0x8769)[0x9003] = "2021:06:05 10:11:12"
    exif.get_ifd(0x8825)[1] = "N"
    facts = images.decode_bytes(encoded(noise(16, 16), "JPEG", exif=exif), P).facts
    assert (facts.camera, facts.date) == ("Canon EOS 5D", "2021-06-05")
    exif[0x0110] = "R5"
    assert images.decode_bytes(encoded(noise(16, 16), "JPEG", exif=exif), P).facts.camera == "Canon R5"


@pytest.mark.parametrize("date", ["", "0000:00:00 00:00:00", "2021:13:40 00:00:00", "yesterday", "    :  :  "])
def test_a_date_that_is_none_is_empty(date):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = date
    assert images.decode_bytes(encoded(noise(16, 16), "JPEG", exif=exif), P).facts.date == ""


def test_damaged_exif_does_not_cost_the_picture():
    data = encoded(noise(16, 16), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    photo = images.decode_bytes(data, P)
    assert (photo.facts.camera, photo.facts.date, photo.facts.width) == ("", "", 16)


@pytest.mark.parametrize("quality", [1, 7, 30, 49, 50, 75, 88, 95, 100])
def test_jpeg_quality_is_recovered(quality):
    assert images.decode_bytes(encoded(noise(16, 16), "JPEG", quality=quality), P).facts.jpeg_quality == quality
    assert images.decode_bytes(encoded(noise(16, 16), "PNG"), P).facts.jpeg_quality is None


def test_the_analysis_picture_is_the_mean_over_areas_and_never_larger_than_the_file():
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, ::2] = 200
    pixels = images.decode_bytes(encoded(Image.fromarray(wide), "PNG"), P).pixels
    assert pixels.shape == (128, 256, 3)
    assert set(np.unique(pixels)) == {100}
    assert images.decode_bytes(encoded(noise(20, 10), "PNG"), P).pixels.shape == (10, 20, 3)


def test_the_perceptual_hash_survives_resizing_and_tells_pictures_apart():
    def blobs(seed: int) -> Image.Image:
        return noise(6, 6, seed).resize((300, 300), Image.Resampling.BICUBIC)

    hashes = [
        images.decode_bytes(encoded(i, "JPEG"), P).phash for i in (blobs(1), blobs(1).resize((200, 200)), blobs(2))
    ]
    assert all(0 <= h < 2**64 for h in hashes)
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4
    assert (hashes[0] ^ hashes[2]).bit_count() >= 16


def test_the_facts_are_those_of_the_file(tmp_path):
    import hashlib

    data = encoded(Image.new("P", (12, 7)), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    facts = images.decode(tmp_path / "a.png", P).facts
    assert (facts.format, facts.mode, facts.width, facts.height, facts.n_bytes) == ("PNG", "P", 12, 7, len(data))
    assert facts.sha256 == hashlib.sha256(data).hexdigest()


def test_truncated_files_say_where_they_end():
    picture = noise(200, 200)
    assert reason(encoded(picture, "JPEG")[:4096]) == "truncated JPEG at byte 4096"
    assert reason(encoded(picture, "PNG")[:5000]) == "truncated PNG at byte 5000"
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM", "TGA"):
        data = encoded(picture, kind)
        assert len(reason(data[: len(data) // 2])) < 80, kind


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 bytes"),
        (b"\n<!DOCTYPE html><html><body>404", "not an image (looks like HTML)"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "not a pixel image (looks like SVG)"),
        (b"%PDF-1.7\n", "not an image (looks like PDF)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a pixel image (looks like PostScript)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        ("nur Text, größer".encode(), "not an image (looks like text)"),
        (bytes(300), "only zero bytes"),
        (b"\xff\xd8\xff\xe0", "damaged or truncated JPEG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC is not supported"),
        (b"\x93\x01\xfe\x80abc", "not an image in a known format"),
    ],
)
def test_what_is_no_image_says_what_it_looks_like(data, says):
    assert says in reason(data)


def test_a_decompression_bomb_is_refused_by_its_header():
    def header(width: int, height: int) -> bytes:
        out = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
        out[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        import zlib

        out[29:33] = zlib.crc32(out[12:29]).to_bytes(4, "big")
        return bytes(out)

    assert reason(header(12_000, 12_000)) == "144 million pixels are over the limit of 120"
    assert "limit of 120 million pixels" in reason(header(60_000, 60_000))


def test_pil_warns_about_nothing_that_is_handled_here():
    damaged = encoded(noise(16, 16), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.decode_bytes(damaged, P)
        assert "limit" in reason(encoded(Image.new("1", (11_000, 11_000)), "PNG"))


def test_reasons_for_what_is_no_readable_file(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    for name, says in [
        ("none.jpg", "no such file"),
        ("folder.jpg", "a folder, not a file"),
        ("pipe.jpg", "not a regular file"),
        ("self.jpg", "cannot be read"),
        ("a\x00b.jpg", "cannot be read"),
        ("x" * 300, "cannot be read"),
    ]:
        for use in (lambda path: images.decode(path, P), images.thumbnail):
            with pytest.raises(DataError) as caught:
                use(tmp_path / name)
            assert says in str(caught.value)
            assert str(tmp_path) not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(noise(8, 8), "JPEG"))
    (tmp_path / "a.jpg").chmod(0)
    with pytest.raises(DataError, match="no permission to read"):
        images.decode(tmp_path / "a.jpg", P)


def test_thumbnails_are_small_upright_and_bare(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"
    (tmp_path / "a.jpg").write_bytes(encoded(noise(640, 320), "JPEG", exif=exif))
    data = images.thumbnail(tmp_path / "a.jpg", 100)
    small = Image.open(io.BytesIO(data))
    assert small.format == "JPEG"
    assert small.size == (50, 100)
    assert not small.getexif()
    assert b"Secret" not in data


SOUND = [
    encoded(noise(40, 30), kind, **options)
    for kind, options in [
        (
            "JPEG",
            {"exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"},
        ),
        ("PNG", {}),
        ("GIF", {"save_all": True, "append_images": [noise(40, 30, 1)]}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {}),
        ("BMP", {}),
        ("JPEG2000", {}),
        ("ICO", {}),
    ]
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    data=st.sampled_from(SOUND),
    keep=st.floats(0.01, 1.0),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8),
)
def test_damaged_bytes_give_a_picture_or_a_short_reason_and_nothing_else(data, keep, flips):
    hurt = bytearray(data[: max(1, int(len(data) * keep))])
    for where, change in flips:
        # Most of a file's structure is at its start, so that is where most of the damage goes.
        hurt[int(where**3 * len(hurt))] ^= change
    photo = None
    try:
        photo = images.decode_bytes(bytes(hurt), P)
    except DataError as error:
        said = str(error)
    if photo is None:
        assert 0 < len(said) < 140
        assert "\n" not in said
    else:
        assert photo.input.shape == (32, 32, 3)
        assert max(photo.pixels.shape[:2]) <= images.ANALYSIS_SIDE


def photograph(width: int, height: int) -> Image.Image:
    """Soft shapes and some grain: like a photograph, its JPEG has most of its strength in the low frequencies."""
    rng = np.random.default_rng(width)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(
    ("size", "orientation", "stored"), [((1600, 1200), 1, (800, 600)), ((1200, 1700), 6, (600, 850))]
)
def test_a_large_jpeg_is_decoded_smaller_and_says_and_shows_the_same(mode, size, orientation, stored):
    prep = Preprocessing(64, 72, mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photograph(*size), "JPEG", quality=90, exif=exif)
    opened = Image.open(io.BytesIO(data))
    images._draft(opened, Preprocessing(224, 256, mode))
    assert opened.size == (stored if mode != "squash" or min(size) >= 1024 else size)
    photo = images.decode_bytes(data, prep)
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    whole = whole if orientation == 1 else whole.transpose(Image.Transpose.ROTATE_270)
    assert (photo.facts.width, photo.facts.height) == whole.size
    assert (photo.facts.mode, photo.facts.jpeg_quality) == ("RGB", 90)
    plain = np.asarray(images._shrink(whole, 256)).astype(int)
    assert photo.pixels.shape == plain.shape
    assert np.abs(photo.pixels - plain).mean() < 1.5
    difference = np.abs(photo.input - images.prepare(whole, prep).astype(int))
    assert difference.mean() < 0.7
    assert np.quantile(difference, 0.99) <= 3


@pytest.mark.parametrize(("width", "height"), [(500, 375), (1023, 1023), (300, 4000)])
def test_a_jpeg_that_is_not_much_larger_than_needed_is_decoded_whole(width, height):
    """To the last bit what it was before large ones were decoded smaller."""
    prep = Preprocessing(224, 256)
    data = encoded(photograph(width, height), "JPEG", quality=92)
    photo, whole = images.decode_bytes(data, prep), Image.open(io.BytesIO(data))
    whole.load()
    assert np.array_equal(photo.input, images.prepare(whole, prep))
    assert np.array_equal(photo.pixels, np.asarray(images._shrink(whole, 256)))
