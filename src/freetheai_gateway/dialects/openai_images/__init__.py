"""OpenAI Images: what clients send to `/v1/images/…` and what they get."""

from freetheai_gateway.dialects.openai_images.pictures import PictureRules, find_picture, read_picture
from freetheai_gateway.dialects.openai_images.reply import render_completed, render_images, render_partial
from freetheai_gateway.dialects.openai_images.request import ImageLink, ImageRequest, parse_request

__all__ = [
    "ImageLink",
    "ImageRequest",
    "PictureRules",
    "find_picture",
    "parse_request",
    "read_picture",
    "render_completed",
    "render_images",
    "render_partial",
]
