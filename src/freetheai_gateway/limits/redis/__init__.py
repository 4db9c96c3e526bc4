"""Limits that several processes and nodes share, in Redis or Valkey: one script decides, on that server's clock.

connection   one pipelined connection: commands of one turn of the loop go out as one write
limiter      the port `Limiter`: leases that expire with the node that holds them, waiting in order
limits.lua   the decision
"""

from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection, RedisTarget, parse_target
from freetheai_gateway.limits.redis.limiter import RedisLimiter

__all__ = ["RedisAway", "RedisConnection", "RedisLimiter", "RedisTarget", "parse_target"]
