-- Every decision about one account, in one piece: Redis runs a script without anything in between.
--
-- KEYS[1]  the account, as PREFIX{ACCOUNT}; its other keys are made of it, so that all share one hash slot
-- ARGV[1]  what to do: admit, release, leave, renew, standing, restore (the table at the end)
-- ARGV[2]  the time in microseconds since 1970; empty: Redis's own clock, the only one that all nodes share
--
-- All times are microseconds. The rules are those of domain/counters.py and domain/windows.py, which say why.
--
--   PREFIX{ACCOUNT}     hash: the UTC day, what was delivered and is reserved on it, the sums of both windows
--   PREFIX{ACCOUNT}:r   list: time, amount, time, amount … of requests in the window, oldest first
--   PREFIX{ACCOUNT}:t   the same of tokens
--   PREFIX{ACCOUNT}:l   sorted set: one lease per running request, by the instant at which it ends by itself
--   PREFIX{ACCOUNT}:w   list: who waits for a slot, first come first

local DAY = 86400000000
local BUCKETS = 120
local EXACT_REQUESTS = 600
local WAITING_PER_ACCOUNT = 4
local CONCURRENCY_RETRY = 1000000

-- The places of the rules in domain.limits.Rule.
local REQUESTS, TOKENS, CONCURRENCY, ANSWERS, IMAGES, COOLDOWN = 0, 1, 2, 3, 4, 5

local REFUSED, GRANTED, WAITING, GONE = 0, 1, 2, 3

local account = KEYS[1]
local requests_key, tokens_key = account .. ':r', account .. ':t'
local leases_key, waiting_key = account .. ':l', account .. ':w'

local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  now = tonumber(ARGV[2])
end
local today = math.floor(now / DAY)

local FIELDS = { 'day', 'answers', 'reserved', 'images', 'reserved_images', 'requests', 'tokens', 'cooled_at' }
local count = {}
for index, value in ipairs(redis.call('HMGET', account, unpack(FIELDS))) do
  count[FIELDS[index]] = tonumber(value) or 0
end
local changed = false
local running

local function change(field, amount)
  count[field] = count[field] + amount
  changed = true
end

local function save()
  if not changed then return end
  local pairs_of = {}
  for _, field in ipairs(FIELDS) do
    pairs_of[#pairs_of + 1] = field
    pairs_of[#pairs_of + 1] = string.format('%.0f', count[field])
  end
  redis.call('HSET', account, unpack(pairs_of))
  redis.call('PEXPIRE', account, math.ceil((2 * DAY - now % DAY) / 1000))
end

-- Limits come as 'r10t500c1d80i5k30000000w60000000': only those that there are, the window always.
local function read_limits(text)
  local limits = { text = text }
  for name, value in string.gmatch(text or '', '(%a)(%d+)') do limits[name] = tonumber(value) end
  return limits
end

-- Only forward: a clock that is set back over midnight must not hand out the day a second time.
local function enter_day()
  if today > count.day then
    count.day, count.answers, count.reserved, count.images, count.reserved_images = today, 0, 0, 0, 0
    changed = true
  end
end

-- Windows -------------------------------------------------------------------------------------------------------

local function used(key, field, length)
  local last = 1
  while true do
    local head = redis.call('LRANGE', key, 0, last)
    local gone = 0
    while gone < #head and head[gone + 1] + length <= now do
      change(field, -head[gone + 2])
      gone = gone + 2
    end
    if gone > 0 then redis.call('LTRIM', key, gone, -1) end
    if #head == 0 then
      if count[field] ~= 0 then change(field, -count[field]) end
      return 0
    end
    if gone < #head then return count[field] end
    last = 127
  end
end

local function wait_for(key, excess, length)
  local from = 0
  while true do
    local part = redis.call('LRANGE', key, from, from + 127)
    if #part == 0 then return length end
    for index = 1, #part, 2 do
      excess = excess - part[index + 1]
      if excess < 0 then return part[index] + length - now end
    end
    from = from + 128
  end
end

local function add(key, field, amount, length, exact)
  local at = now
  if not exact then
    local width = length / BUCKETS
    at = math.ceil((math.floor(now / width) + 1) * width)
  end
  local last = redis.call('LRANGE', key, -2, -1)
  if last[1] and tonumber(last[1]) >= at then
    at = tonumber(last[1])
    redis.call('LSET', key, -1, last[2] + amount)
  else
    redis.call('RPUSH', key, string.format('%.0f', at), amount)
  end
  redis.call('PEXPIRE', key, math.ceil((at + length - now) / 1000) + 1000)
  change(field, amount)
  return at
end

local function take_back(key, field, amount, at)
  local entries = redis.call('LRANGE', key, 0, -1)
  for index = 1, #entries, 2 do
    if tonumber(entries[index]) == at then
      local left = entries[index + 1] - amount
      if left > 0 then
        redis.call('LSET', key, index, left)
      else
        redis.call('LSET', key, index - 1, 'gone')
        redis.call('LSET', key, index, 'gone')
        redis.call('LREM', key, 2, 'gone')
      end
      change(field, -amount)
      return
    end
  end
end

local function reset_of(key, length)
  local last = redis.call('LRANGE', key, -2, -2)
  return last[1] and last[1] + length - now or 0
end

-- Leases: 'ID|DAY|ANSWERS RESERVED|IMAGES RESERVED|COUNTED AT|LIMITS', under the limits that admitted it ------------
-- With the limits stands, as 'a', when a cool-down of images began with the lease.

local function read_lease(lease)
  local day, answers, images, at, limits_text = string.match(lease, '|(%d+)|(%d+)|(%d+)|(%d+)|(%w+)$')
  return tonumber(day), tonumber(answers), tonumber(images), tonumber(at), limits_text
end

local function free(lease)
  local day, answers, images = read_lease(lease)
  running = running - 1
  if day == count.day then
    if answers > 0 then change('reserved', -answers) end
    if images > 0 then change('reserved_images', -images) end
  end
end

-- Give back the cool-down that began with a lease, unless a later one began another.
local function end_cooldown(lease)
  local _, _, _, _, limits_text = read_lease(lease)
  local limits = read_limits(limits_text)
  if limits.a and limits.a == count.cooled_at then change('cooled_at', -count.cooled_at) end
end

local function withdraw(lease)
  local _, _, _, at = read_lease(lease)
  redis.call('ZREM', leases_key, lease)
  free(lease)
  end_cooldown(lease)
  if at > 0 then take_back(requests_key, 'requests', 1, at) end
end

-- A node that died renews nothing: what it held ends here, as if nothing had been delivered.
local function end_dead_leases()
  running = redis.call('ZCARD', leases_key)
  if running == 0 then return end
  local dead = redis.call('ZRANGEBYSCORE', leases_key, '-inf', now)
  if #dead == 0 then return end
  for _, lease in ipairs(dead) do
    free(lease)
    end_cooldown(lease)
  end
  redis.call('ZREMRANGEBYSCORE', leases_key, '-inf', now)
end

local function keep_leases_for(lease_time)
  redis.call('PEXPIRE', leases_key, math.ceil(lease_time / 1000) + 60000)
end

local function find_lease(id)
  for _, lease in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
    if string.sub(lease, 1, #id + 1) == id .. '|' then return lease end
  end
end

-- Decisions -------------------------------------------------------------------------------------------------------

local function refusal_of(limits, images)
  local rule, limit, use, wait = nil, 0, 0, -1
  local function name(other_rule, other_limit, other_use, other_wait)
    if other_wait > wait then rule, limit, use, wait = other_rule, other_limit, other_use, other_wait end
  end
  if limits.d or limits.i then
    enter_day()
    local left = (count.day + 1) * DAY - now
    if limits.d and count.answers + count.reserved >= limits.d then
      name(ANSWERS, limits.d, count.answers + count.reserved, left)
    elseif limits.i and images > 0 and count.images + count.reserved_images + images > limits.i then
      name(IMAGES, limits.i, count.images + count.reserved_images, left)
    end
  end
  if limits.r and used(requests_key, 'requests', limits.w) >= limits.r then
    local excess = count.requests - limits.r
    name(REQUESTS, limits.r, count.requests, wait_for(requests_key, excess, limits.w))
  end
  if limits.t and used(tokens_key, 'tokens', limits.w) >= limits.t then
    name(TOKENS, limits.t, count.tokens, wait_for(tokens_key, count.tokens - limits.t, limits.w))
  end
  if limits.k and images > 0 and count.cooled_at + limits.k > now then
    name(COOLDOWN, 1, 1, count.cooled_at + limits.k - now)
  end
  if not rule and limits.c and running >= limits.c then
    name(CONCURRENCY, limits.c, running, CONCURRENCY_RETRY)
  end
  if rule then return { REFUSED, rule, limit, use, wait } end
end

-- Use and reset of each rule in their order, whether there is a limit or not.
local function standing_of(limits)
  local left = (math.max(count.day, today) + 1) * DAY - now
  local requests, requests_reset, tokens, tokens_reset = 0, 0, 0, 0
  if limits.r then
    requests = used(requests_key, 'requests', limits.w)
    requests_reset = reset_of(requests_key, limits.w)
  end
  if limits.t then
    tokens = used(tokens_key, 'tokens', limits.w)
    tokens_reset = reset_of(tokens_key, limits.w)
  end
  if limits.d or limits.i then enter_day() end
  local cools = limits.k and math.max(0, count.cooled_at + limits.k - now) or 0
  return requests, requests_reset, tokens, tokens_reset, running, running > 0 and CONCURRENCY_RETRY or 0,
    count.answers + count.reserved, left, count.images + count.reserved_images, left,
    cools > 0 and 1 or 0, cools
end

local function decide(limits, images, id, lease_time)
  local refusal = refusal_of(limits, images)
  if refusal then return refusal end
  local at = 0
  if limits.r then at = add(requests_key, 'requests', 1, limits.w, limits.r <= EXACT_REQUESTS) end
  if limits.d then change('reserved', 1) end
  if limits.i and images > 0 then change('reserved_images', images) end
  local reserved_images = limits.i and images or 0
  local answers = limits.d and 1 or 0
  local text = limits.text
  if limits.k and images > 0 then
    change('cooled_at', now - count.cooled_at)
    text = string.format('%sa%.0f', text, now)
  end
  local lease = string.format('%s|%d|%d|%d|%.0f|%s', id, count.day, answers, reserved_images, at, text)
  redis.call('ZADD', leases_key, string.format('%.0f', now + lease_time), lease)
  keep_leases_for(lease_time)
  running = running + 1
  return { GRANTED, lease, standing_of(limits) }
end

-- Who waits: 'ID|IMAGES|UNTIL|LEASE TIME|CHANNEL' -----------------------------------------------------------------

local function tell(channel, id, reply)
  local words = { id }
  for _, word in ipairs(reply) do
    words[#words + 1] = type(word) == 'number' and string.format('%.0f', word) or word
  end
  return redis.call('PUBLISH', channel, table.concat(words, ' ')) > 0
end

-- Decide anew about those who wait, in their order, as long as a slot is free.
local function serve()
  if redis.call('LLEN', waiting_key) == 0 then return end
  local limits = read_limits(redis.call('HGET', account, 'limits'))
  while not limits.c or running < limits.c do
    local waiter = redis.call('LPOP', waiting_key)
    if not waiter then return end
    local id, images, till, lease_time, channel = string.match(waiter, '^(.-)|(%d+)|(%d+)|(%d+)|(.*)$')
    if tonumber(till) > now then
      local reply = decide(limits, tonumber(images), id, tonumber(lease_time))
      -- Nobody listens: the node is gone, and the slot is the next one's.
      if not tell(channel, id, reply) and reply[1] == GRANTED then withdraw(reply[2]) end
    end
  end
end

local function find_waiter(id)
  for _, waiter in ipairs(redis.call('LRANGE', waiting_key, 0, -1)) do
    if string.sub(waiter, 1, #id + 1) == id .. '|' then return waiter end
  end
end

local function stand_in_line(limits_text, waiter, wait_time)
  for _, other in ipairs(redis.call('LRANGE', waiting_key, 0, -1)) do
    local till = string.match(other, '^.-|%d+|(%d+)|')
    if tonumber(till) <= now then redis.call('LREM', waiting_key, 1, other) end
  end
  if redis.call('LLEN', waiting_key) >= WAITING_PER_ACCOUNT then return false end
  redis.call('RPUSH', waiting_key, waiter)
  redis.call('PEXPIRE', waiting_key, math.ceil(wait_time / 1000) + 60000)
  redis.call('HSET', account, 'limits', limits_text)
  changed = true
  return true
end

-- What to do ------------------------------------------------------------------------------------------------------

local act = {}

-- LIMITS ID IMAGES LEASE_TIME [WAIT_TIME CHANNEL]
function act.admit(limits_text, id, images, lease_time, wait_time, channel)
  local limits = read_limits(limits_text)
  if redis.call('LLEN', waiting_key) > 0 then
    -- Raised limits let those in first who have waited; after this a free slot means that nobody waits.
    redis.call('HSET', account, 'limits', limits_text)
    serve()
  end
  local reply = decide(limits, tonumber(images), id, tonumber(lease_time))
  if wait_time and reply[1] == REFUSED and reply[2] == CONCURRENCY then
    local till = string.format('%.0f', now + wait_time)
    local waiter = table.concat({ id, images, till, lease_time, channel }, '|')
    if stand_in_line(limits_text, waiter, tonumber(wait_time)) then return { WAITING } end
  end
  return reply
end

-- LEASE DELIVERED TOKENS IMAGES: counts as long as the lease is there, so it may be sent again.
function act.release(lease, delivered, tokens, images)
  if redis.call('ZREM', leases_key, lease) == 1 then
    local day, answers, _, _, limits_text = read_lease(lease)
    local limits = read_limits(limits_text)
    free(lease)
    if day == count.day then
      if answers > 0 and delivered == '1' then change('answers', 1) end
      if limits.i and images ~= '0' then change('images', tonumber(images)) end
    end
    if images == '0' then end_cooldown(lease) end
    if limits.t and tokens ~= '0' then
      used(tokens_key, 'tokens', limits.w)
      add(tokens_key, 'tokens', tonumber(tokens), limits.w, false)
    end
  end
  serve()
  return GONE
end

-- ID DECIDE LIMITS IMAGES LEASE_TIME: a waiter's time is over (DECIDE 1), or its client left (0).
function act.leave(id, decides, limits_text, images, lease_time)
  local reply = { GONE }
  local waiter, lease = find_waiter(id), find_lease(id)
  if waiter then
    redis.call('LREM', waiting_key, 1, waiter)
    limits_text = redis.call('HGET', account, 'limits')
  end
  if lease and decides == '1' then
    local _, _, _, _, granted_under = read_lease(lease)
    reply = { GRANTED, lease, standing_of(read_limits(granted_under)) }
  elseif lease then
    withdraw(lease)
  elseif decides == '1' then
    reply = decide(read_limits(limits_text), tonumber(images), id, tonumber(lease_time))
  end
  serve()
  return reply
end

-- LEASE_TIME [LEASE …]: what still runs; a lease that Redis has lost is counted again.
function act.renew(lease_time, ...)
  local till = string.format('%.0f', now + lease_time)
  for _, lease in ipairs({ ... }) do
    if redis.call('ZADD', leases_key, till, lease) == 1 then
      local day, answers, images = read_lease(lease)
      running = running + 1
      enter_day()
      if day == count.day then
        change('reserved', answers)
        change('reserved_images', images)
      end
    end
  end
  keep_leases_for(lease_time)
  serve()
  return running
end

-- LIMITS
function act.standing(limits_text)
  return { standing_of(read_limits(limits_text)) }
end

-- DAY ANSWERS IMAGES
function act.restore(day, answers, images)
  if tonumber(day) == today then
    enter_day()
    change('answers', math.max(0, answers - count.answers))
    change('images', math.max(0, images - count.images))
  end
  return GONE
end

end_dead_leases()
local reply = act[ARGV[1]](unpack(ARGV, 3))
save()
return reply
