"""OpenAI Images: what clients send to `/v1/images/…` and what they get."""

from freetheai_gateway.dialects.openai_images.pictures import PictureRules, find_picture, read_picture
from freetheai_gateway.dialects.openai_images.reply import (
    Parts,
    length_of,
    pieces_of,
    render_completed,
    render_images,
    render_job_reply,
    render_partial,
)
from freetheai_gateway.dialects.openai_images.request import ImageLink, ImageRequest, parse_request

__all__ = [
    "ImageLink",
    "ImageRequest",
    "Parts",
    "PictureRules",
    "find_picture",
    "length_of",
    "parse_request",
    "pieces_of",
    "read_picture",
    "render_completed",
    "render_images",
    "render_job_reply",
    "render_partial",
]
