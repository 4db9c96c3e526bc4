"""What is about a picture is taken out of it; pixels and orientation stay. Pillow writes and reads them here."""

import io

import pytest
from PIL import Image, ImageOps, PngImagePlugin

from freetheai_gateway.dialects.openai_images.metadata import BrokenPicture, without_metadata
from freetheai_gateway.dialects.openai_images.pictures import PictureRules, read_picture
from freetheai_gateway.errors import InvalidRequest

SECRET = b"geo:59.913,10.752"
ORIENTATION, DESCRIPTION, OWNER = 0x0112, 0x010E, 0xA430
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def photo(form: str, orientation: int | None = 6, **more: object) -> bytes:
    """Take a photo that says where it was taken, in every place that a format has for it."""
    image = Image.new("RGB", (24, 16), (200, 30, 30))
    image.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    exif[DESCRIPTION] = SECRET.decode()
    exif[OWNER] = SECRET.decode()
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        more["pnginfo"] = text
    elif form == "JPEG":
        more |= {"comment": SECRET, "xmp": SECRET}
    else:
        more |= {"xmp": SECRET, "lossless": True}
    file = io.BytesIO()
    image.save(file, form, exif=exif, icc_profile=b"profile" * 20, **more)
    return file.getvalue()


def upright(data: bytes) -> tuple[tuple[int, int], bytes]:
    """Turn a picture as viewers do."""
    with Image.open(io.BytesIO(data)) as image:
        turned = ImageOps.exif_transpose(image)
        return turned.size, turned.convert("RGB").tobytes()


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("form", TYPES)
def test_photo_when_stripped_then_nothing_is_said_of_it_and_it_looks_the_same(
    form: str, orientation: int | None
) -> None:
    """Same pixels, turned the same way, in the same colours; a picture that was upright says nothing at all."""
    data = photo(form, orientation)
    assert SECRET in data or form == "PNG"
    stripped = without_metadata(data, TYPES[form])
    assert SECRET not in stripped
    assert upright(stripped) == upright(data)
    with Image.open(io.BytesIO(stripped)) as image:
        assert image.info.get("icc_profile") == b"profile" * 20
        expected = {ORIENTATION: orientation} if orientation not in {None, 1} else {}
        assert dict(image.getexif()) == expected
        assert not {"comment", "Comment", "xmp", "XML:com.adobe.xmp"} & set(image.info)


def test_progressive_jpeg_when_stripped_then_all_its_scans_stay() -> None:
    """Tables stand between the scans."""
    data = photo("JPEG", progressive=True)
    assert upright(without_metadata(data, "image/jpeg")) == upright(data)


def test_jpeg_when_something_hangs_behind_its_end_then_that_is_left_out() -> None:
    """Films, depth maps and second pictures of phones have their own data about them."""
    data = photo("JPEG")
    assert without_metadata(data + b"MPF" + SECRET, "image/jpeg") == without_metadata(data, "image/jpeg")


@pytest.mark.parametrize("form", TYPES)
def test_picture_when_it_is_cut_anywhere_then_it_is_refused_or_stripped_and_never_a_crash(form: str) -> None:
    """At every byte."""
    data = photo(form)
    for end in range(12, len(data)):
        try:
            assert SECRET not in without_metadata(data[:end], TYPES[form])
        except BrokenPicture:
            continue


@pytest.mark.parametrize("form", TYPES)
def test_picture_when_a_byte_is_wrong_then_it_is_refused_or_stripped_and_never_a_crash(form: str) -> None:
    """Lengths and offsets point anywhere then."""
    data = photo(form)
    for at in range(8, min(len(data), 700)):
        for value in (0x00, 0x7F, 0xFF):
            try:
                without_metadata(data[:at] + bytes([value]) + data[at + 1 :], TYPES[form])
            except BrokenPicture:
                continue


@pytest.mark.parametrize("form", TYPES)
def test_input_when_the_configuration_asks_for_it_then_it_is_stripped_and_else_it_is_as_it_came(form: str) -> None:
    """`images.strip_metadata`."""
    data = photo(form)
    assert read_picture(data, PictureRules(), "image").data == data
    stripped = read_picture(data, PictureRules(strips_metadata=True), "image")
    assert (SECRET in stripped.data, stripped.size.width) == (False, 24)


def test_input_when_it_can_not_be_stripped_then_it_is_refused() -> None:
    """What was to be taken out must not go on."""
    data = photo("PNG")
    broken = data[:33] + b"\x7f\xff\xff\xff" + data[37:]
    with pytest.raises(InvalidRequest, match="save it anew"):
        read_picture(broken, PictureRules(strips_metadata=True), "image")
