"""Results that are kept for a while: pictures under signed addresses, and the states of background jobs.

Everything is a file of one directory, so that every worker, and every node that shares it, finds everything. Names are
random; an address ends at a time that is part of its signature. What is older than `keep_s` is deleted. No file holds a
prompt. The key of the signatures lies beside the pictures, readable by its owner only.
"""

import asyncio
import hmac
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.images import Picture
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.services.image_ports import JobState

_NAME = re.compile(r"img_[0-9a-f]{32}\.(?:png|jpeg|webp)")
_JOB = re.compile(r"job_[0-9A-Za-z]{10,40}")
_SIGNATURE_LENGTH = 32
_KEY_FILE = ".signing-key"
_KEY_BYTES = 32
SWEEP_EVERY_S = 30.0
ABANDONED_AFTER_S = 10.0
"""A job whose file nobody touched for so long is worked on by nobody any more."""
_decode_job: Decoder[JobState] = Decoder(JobState)


class ImageFiles(msgspec.Struct, frozen=True):
    """Implements `PictureVault` and `JobStore` over one directory."""

    directory: Path
    keep_s: float
    clock: Clock
    base_url: Callable[[], str]
    """Where members reach the gateway, up to and with `/v1`."""

    async def keep(self, picture: Picture) -> str:
        """Keep a picture for `keep_s`; gives its name."""
        name = f"img_{secrets.token_hex(16)}.{picture.extension}"
        await asyncio.to_thread(self._write, name, picture.data)
        return name

    async def address(self, name: str) -> str:
        """Give an address that holds for `keep_s` and needs no key."""
        expires = int(self.clock.wall() + self.keep_s)
        signature = await asyncio.to_thread(self._sign, name, expires)
        return f"{self.base_url()}/images/files/{name}?expires={expires}&signature={signature}"

    async def load(self, name: str) -> bytes | None:
        """Read a picture that was kept; `None` once it was deleted."""
        return await asyncio.to_thread(self._load, name)

    async def read(self, name: str, expires: str, signature: str) -> bytes | None:
        """Read a picture by what its address says; `None` where that is wrong, too old, or the file is gone."""
        if not _NAME.fullmatch(name) or not re.fullmatch(r"\d{1,12}", expires):
            return None
        return await asyncio.to_thread(self._read_signed, name, int(expires), signature)

    async def save(self, job: JobState) -> None:
        """Keep the newest state of a job."""
        await asyncio.to_thread(self._write, f"{job.id}.json", encode(job))

    async def find(self, job_id: str) -> JobState | None:
        """Find a job. One that nobody works on any more is failed: its server was restarted."""
        return await asyncio.to_thread(self._find, job_id) if _JOB.fullmatch(job_id) else None

    async def beat(self, job_id: str) -> None:
        """Show that someone still works on a job."""
        with suppress(FileNotFoundError):
            await asyncio.to_thread(os.utime, self.directory / f"{job_id}.json")

    async def sweep_for_ever(self) -> None:
        """Delete what is too old, again and again."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(min(SWEEP_EVERY_S, max(0.2, self.keep_s / 10)))

    def sweep(self) -> None:
        """Delete every file that is older than `keep_s`."""
        oldest = self.clock.wall() - self.keep_s
        with suppress(FileNotFoundError):
            for file in self.directory.iterdir():
                if file.name.startswith(("img_", "job_", ".new-")):
                    with suppress(FileNotFoundError):
                        if file.stat().st_mtime < oldest:
                            file.unlink()

    def _find(self, job_id: str) -> JobState | None:
        file = self.directory / f"{job_id}.json"
        try:
            age_s = self.clock.wall() - file.stat().st_mtime
            job = _decode_job(file.read_bytes())
        except (FileNotFoundError, InvalidJSON):
            return None
        if job.status in {"pending", "running"} and age_s > ABANDONED_AFTER_S:
            return msgspec.structs.replace(
                job,
                status="failed",
                type="server_error",
                code="restarting",
                message="The server was restarted before the job was done; send it again.",
            )
        return job

    def _write(self, name: str, data: bytes) -> None:
        """Write a file that is there as a whole or not at all."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.directory / f".new-{secrets.token_hex(8)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        new.replace(self.directory / name)

    def _read_signed(self, name: str, expires: int, signature: str) -> bytes | None:
        right = self._sign(name, expires)
        if not hmac.compare_digest(right.encode(), signature.encode(errors="replace")):
            return None
        if expires < self.clock.wall():
            return None
        return self._load(name)

    def _load(self, name: str) -> bytes | None:
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def _sign(self, name: str, expires: int) -> str:
        return hmac.new(self._key(), f"{name} {expires}".encode(), sha256).hexdigest()[:_SIGNATURE_LENGTH]

    def _key(self) -> bytes:
        """Read the key of the signatures; the first to need it makes it."""
        file = self.directory / _KEY_FILE
        try:
            return file.read_bytes()
        except FileNotFoundError:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.directory / f".new-{secrets.token_hex(8)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(new, file)  # fails where another process was first; its key holds then
        new.unlink()
        return file.read_bytes()
