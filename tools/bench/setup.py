"""What runs during the benchmark: the upstreams, nginx and the gateway, and what was absent on this machine."""

import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import trustme

from tools.bench import gateway, machine, nginx, wire
from tools.bench.load import Target
from tools.bench.nginx import Certificate
from tools.bench.servers import Server, free_ports, with_trusted

PLAIN_KINDS = ("whole", "stream")
TLS_KINDS = ("whole_tls", "stream_tls")
DIRECT, NGINX, GATEWAY = "direct", "nginx", "gateway"
_STARTS = 3
_ANY_KEY = "bench-upstream-key"


@dataclass(frozen=True, slots=True)
class Contestant:
    """What a load goes to. `server` is absent for the upstream itself, which is only the floor of the others."""

    name: str
    port_of: Mapping[str, int]
    server: Server | None = None
    key: str = _ANY_KEY

    def target(self, kind: str) -> Target:
        """Tell where requests of a kind go."""
        path = f"/{kind}{wire.PATH}" if self.name == NGINX else wire.PATH
        return Target(self.port_of[kind], path, f"bench/{kind}", self.key)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs. The gateway's starts: the first makes the database, the later ones find it."""

    contestants: Mapping[str, Contestant]
    kinds: tuple[str, ...]
    at_rest_mb: Mapping[str, float]
    first_start_s: float
    later_start_s: float
    directory: Path


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs that may be absent; `None` where they are."""

    nginx: str | None
    wrk: str | None


def find_tools() -> Tools:
    """Look for the programs."""
    return Tools(nginx=machine.find_tool("nginx"), wrk=machine.find_tool("wrk"))


@contextmanager
def on_stage(
    directory: Path, tools: Tools, cores: machine.Cores, *, delay_ms: float, with_tls: bool
) -> Iterator[Stage]:
    """Start everything, and end it afterwards. Raises `servers.NotReady`."""
    kinds = PLAIN_KINDS + TLS_KINDS if with_tls else PLAIN_KINDS
    certificate = issue_certificate(directory) if with_tls else None
    with ExitStack() as running:
        starter = _Starter(directory, cores, running)
        upstreams = starter.upstreams(tools, certificate, delay_ms)
        upstreams = {kind: upstreams[kind] for kind in kinds}
        contestants = {DIRECT: Contestant(DIRECT, upstreams)}
        if tools.nginx is not None:
            contestants[NGINX] = starter.proxy(tools.nginx, upstreams, certificate)
        contestants[GATEWAY], first_s, later_s = starter.gateway(upstreams, certificate)
        at_rest = {name: machine.resident_mb(one.server.pids) for name, one in contestants.items() if one.server}
        yield Stage(contestants, kinds, at_rest, first_s, later_s, directory)


class _Starter:
    """Starts servers in one directory; they are stopped with `running`."""

    def __init__(self, directory: Path, cores: machine.Cores, running: ExitStack) -> None:
        self._directory = directory
        self._cores = cores
        self._running = running

    def upstreams(self, tools: Tools, certificate: Certificate | None, delay_ms: float) -> dict[str, int]:
        """Start the upstreams beside the load; returns their ports by kind."""
        whole, whole_tls, stream, stream_tls = free_ports(4)
        command = [sys.executable, "-m", "tools.bench.upstream", "--port", str(stream), "--delay-ms", str(delay_ms)]
        if certificate is not None:
            command += ["--tls-port", str(stream_tls), "--certificate", str(certificate.chain)]
        server = self._start("upstream", command, self._cores.load)
        server.wait_until_listening(stream)
        if tools.nginx is None:
            return {"whole": stream, "stream": stream, "whole_tls": stream_tls, "stream_tls": stream_tls}
        written = nginx.write_replies(
            self._directory / "replies", port=whole, tls_port=whole_tls, certificate=certificate
        )
        server = self._start("replies", nginx.command(tools.nginx, written), self._cores.load)
        server.wait_until_listening(whole)
        return {"whole": whole, "stream": stream, "whole_tls": whole_tls, "stream_tls": stream_tls}

    def proxy(self, program: str, upstreams: Mapping[str, int], certificate: Certificate | None) -> Contestant:
        """Start nginx as the plain proxy."""
        (port,) = free_ports(1)
        authority = certificate.authority if certificate is not None else None
        written = nginx.write_proxy(self._directory / "proxy", port=port, upstreams=upstreams, authority=authority)
        server = self._start("proxy", nginx.command(program, written), self._cores.server)
        server.wait_until_healthy(port)
        return Contestant(NGINX, dict.fromkeys(upstreams, port), server)

    def gateway(self, upstreams: Mapping[str, int], certificate: Certificate | None) -> tuple[Contestant, float, float]:
        """Start the gateway several times, the last time to stay; returns its seconds to start, new and later."""
        (port,) = free_ports(1)
        configuration = gateway.write_configuration(
            self._directory / "gateway", upstreams=upstreams, upstream_model=wire.UPSTREAM_MODEL
        )
        starts_s = []
        for _ in range(1 + _STARTS):
            server = Server(
                "gateway",
                gateway.serve_command(configuration, port),
                core=self._cores.server,
                log=self._directory / "gateway.log",
                environment=with_trusted(certificate.authority) if certificate is not None else None,
            )
            stop = self._running.callback(server.stop)
            starts_s.append(server.wait_until_healthy(port))
            if len(starts_s) <= _STARTS:
                stop()
        key = gateway.create_key(configuration)
        contestant = Contestant(GATEWAY, dict.fromkeys(upstreams, port), server, key)
        return contestant, starts_s[0], median(starts_s[1:])

    def _start(self, name: str, command: list[str] | list[str | Path], core: int | None) -> Server:
        server = Server(name, command, core=core, log=self._directory / f"{name}.log")
        self._running.callback(server.stop)
        return server


def issue_certificate(directory: Path) -> Certificate:
    """Make an authority and a certificate of the loopback address.

    The authority's file holds the system's authorities too, so that trusting them costs what it costs in earnest.
    """
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    chain, trusted = directory / "upstream.pem", directory / "authorities.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(chain)
    system = ssl.get_default_verify_paths().cafile
    trusted.write_bytes((Path(system).read_bytes() if system else b"") + authority.cert_pem.bytes())
    return Certificate(chain, trusted)
