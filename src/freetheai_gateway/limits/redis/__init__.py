"""Limits that several processes and nodes share, in Redis or Valkey: one script decides, on that server's clock.

settings     where it is, and deadlines
connection   one pipelined connection: commands of one turn of the loop go out as one write
limits.lua   the decisions
script       its text, and the commands that call it
limiter      the port `Limiter`: asks, waits in line, keeps leases alive while this node lives
turn, lease  one admission before and after its decision
pools.lua    what gateways tell each other about their providers
pools        sends and hears it: breakers, resting keys, who may try
shares       what each may use of what all have together: slots, key limits, budgets
"""

from freetheai_gateway.limits.redis.connection import RedisAway, RedisConnection
from freetheai_gateway.limits.redis.limiter import RedisLimiter
from freetheai_gateway.limits.redis.pools import RedisPools
from freetheai_gateway.limits.redis.settings import RedisSettings, RedisTarget, parse_target

__all__ = ["RedisAway", "RedisConnection", "RedisLimiter", "RedisPools", "RedisSettings", "RedisTarget", "parse_target"]
