"""nginx twice: as the upstream of whole replies, and as the plain proxy that the gateway is measured against."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bench import wire

_FRAME = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
error_log {directory}/error.log;
pid {directory}/nginx.pid;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{body}}}
"""
_REPLIES = """\
  server {{
    default_type application/json;
    listen 127.0.0.1:{port} backlog=2048;
    {tls}
    location / {{ return 200 '{reply}'; }}
  }}
"""
_PROXY = """\
{pools}  server {{
    listen 127.0.0.1:{port} backlog=2048;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location = /healthz {{ return 200 "ok"; }}
{locations}  }}
"""
_POOL = """\
  upstream {kind} {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 1000000000; }}
"""
_LOCATION = """\
    location = /{kind}{path} {{
      proxy_pass {scheme}://{kind}{path};
      {buffering}
      {verify}
    }}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The upstreams' certificate with its key, and the authority that signed it."""

    chain: Path
    authority: Path


def write_replies(directory: Path, *, port: int, tls_port: int, certificate: Certificate | None) -> Path:
    """Write the configuration of an nginx that answers every request with the same reply."""
    reply = wire.whole_reply().decode()
    servers = _REPLIES.format(port=port, tls="", reply=reply)
    if certificate is not None:
        tls = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.chain};"
        servers += _REPLIES.format(port=f"{tls_port} ssl", tls=tls, reply=reply)
    return _write(directory, servers)


def write_proxy(directory: Path, *, port: int, upstreams: Mapping[str, int], authority: Path | None) -> Path:
    """Write the configuration of the plain proxy: `/KIND/v1/…` goes to the upstream of that kind."""
    locations = ""
    for kind in upstreams:
        with_tls = kind.endswith("_tls")
        verify = (
            f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority}; "
            "proxy_ssl_name localhost; proxy_ssl_server_name on;"
        )
        locations += _LOCATION.format(
            kind=kind,
            path=wire.PATH,
            scheme="https" if with_tls else "http",
            buffering="proxy_buffering off;" if kind.startswith("stream") else "",
            verify=verify if with_tls else "",
        )
    pools = "".join(_POOL.format(kind=kind, port=upstream) for kind, upstream in upstreams.items())
    return _write(directory, _PROXY.format(pools=pools, port=port, locations=locations))


def command(program: str, configuration: Path) -> list[str | Path]:
    """Build the command line; what nginx says before it has read its configuration goes beside that too."""
    return [program, "-e", configuration.with_name("error.log"), "-c", configuration]


def _write(directory: Path, body: str) -> Path:
    directory.mkdir()
    path = directory / "nginx.conf"
    # Started by root its worker would be another user, who may not enter the temporary directory.
    user = "user root root;" if os.geteuid() == 0 else ""
    path.write_text(_FRAME.format(directory=directory, user=user, body=body))
    return path
