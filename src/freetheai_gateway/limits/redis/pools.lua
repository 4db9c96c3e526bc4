-- What several gateways tell each other about their providers: gates, who may try, slots, and what was used today.
--
-- KEYS[1]  PREFIX{pools}; the other keys are made of it, so that all share one hash slot
-- ARGV[1]  what to do: tell, claim, renew, read, sync (the table at the end)
-- ARGV[2]  which process asks
--
-- All times are microseconds on Redis's clock, the only one that all processes share.
--
--   PREFIX{pools}:gates       hash: the name of a gate that is shut, and 'UNTIL|WHY'
--   PREFIX{pools}:try:NAME    who tries what stands behind the gate
--   PREFIX{pools}:slots:NAME  hash: a process, and 'SLOTS|UNTIL': how many calls to a provider it may have running
--   PREFIX{pools}:use:NAME    what was counted on one day
--   PREFIX{pools}:news        channel: what has changed, as the one who changed it wrote it

local FORGOTTEN_AFTER = 3600000000
local CLOSE = 100000 -- who shut a gate counts from a little earlier
local DAYS_KEPT_MS = 180000000 -- two days and two hours

local base = KEYS[1]
local me = ARGV[2]
local gates_key = base .. ':gates'

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(number) return string.format('%.0f', number) end

local function end_try(name)
  local key = base .. ':try:' .. name
  if redis.call('GET', key) == me then redis.call('DEL', key) end
end

local act = {}

-- NEWS [CHANGE NAME FOR WHY …]: what happened to gates here; NEWS is what the others are to hear.
function act.tell(news, ...)
  local words = { ... }
  for at = 1, #words, 4 do
    local change, name, for_time, why = words[at], words[at + 1], words[at + 2], words[at + 3]
    if change == 'shut' then
      redis.call('HSET', gates_key, name, whole(now + tonumber(for_time)) .. '|' .. why)
    elseif change == 'opened' then
      redis.call('HDEL', gates_key, name)
    end
    end_try(name)
  end
  if news ~= '' then redis.call('PUBLISH', base .. ':news', news) end
  return 1
end

-- LEASE_MS [NAME …]: the right to try all of these; 0 where somebody has one of them, or shut it anew.
function act.claim(lease_ms, ...)
  for _, name in ipairs({ ... }) do
    local holder = redis.call('GET', base .. ':try:' .. name)
    if holder and holder ~= me then return 0 end
    local till = string.match(redis.call('HGET', gates_key, name) or '', '^(%d+)|')
    if till and tonumber(till) > now + CLOSE then return 0 end
  end
  for _, name in ipairs({ ... }) do redis.call('SET', base .. ':try:' .. name, me, 'PX', lease_ms) end
  return 1
end

-- LEASE_MS [NAME …]: these tries still run.
function act.renew(lease_ms, ...)
  for _, name in ipairs({ ... }) do
    local key = base .. ':try:' .. name
    if redis.call('GET', key) == me then redis.call('PEXPIRE', key, lease_ms) end
  end
  return 1
end

-- Every gate that is shut: NAME FOR WHY …
function act.read()
  local found = redis.call('HGETALL', gates_key)
  local reply = {}
  for at = 1, #found, 2 do
    local till, why = string.match(found[at + 1], '^(%d+)|(.*)$')
    if tonumber(till) + FORGOTTEN_AFTER < now then
      redis.call('HDEL', gates_key, found[at])
    else
      reply[#reply + 1] = found[at]
      reply[#reply + 1] = whole(math.max(0, till - now))
      reply[#reply + 1] = why
    end
  end
  return reply
end

-- LEASE_MS PROVIDERS [NAME MOST WANTED]… [NAME DELTA KNOWN]…
-- Gives, for each provider, the slots granted, those of the others and how many they are; then each day's total.
-- The slots granted are never more than MOST together, as nobody uses more than it was granted.
function act.sync(lease_ms, providers, ...)
  local words, reply = { ... }, {}
  local at = 1
  for _ = 1, tonumber(providers) do
    local key, most, wanted = base .. ':slots:' .. words[at], tonumber(words[at + 1]), tonumber(words[at + 2])
    local others, processes = 0, 0
    local found = redis.call('HGETALL', key)
    for field = 1, #found, 2 do
      local slots, till = string.match(found[field + 1], '^(%d+)|(%d+)$')
      if tonumber(till) < now then
        redis.call('HDEL', key, found[field])
      elseif found[field] ~= me then
        others, processes = others + slots, processes + 1
      end
    end
    local granted = math.max(0, math.min(wanted, most - others))
    redis.call('HSET', key, me, whole(granted) .. '|' .. whole(now + lease_ms * 1000))
    redis.call('PEXPIRE', key, lease_ms * 2)
    local n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3] = granted, others, processes
    at = at + 3
  end
  while words[at] do
    local key = base .. ':use:' .. words[at]
    local total = tonumber(redis.call('GET', key) or '0')
    -- What one process knows and Redis does not, Redis has lost.
    total = math.max(total, tonumber(words[at + 2])) + tonumber(words[at + 1])
    redis.call('SET', key, whole(total), 'PX', DAYS_KEPT_MS)
    reply[#reply + 1] = total
    at = at + 3
  end
  return reply
end

return act[ARGV[1]](unpack(ARGV, 3))
