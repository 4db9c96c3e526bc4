"""Limits that several processes and nodes share, counted in Redis or Valkey by one script per decision."""

from freetheai_gateway.limits.redis.limiter import RedisLimiter
from freetheai_gateway.limits.redis.settings import OnFailure, RedisSettings

__all__ = ["OnFailure", "RedisLimiter", "RedisSettings"]
