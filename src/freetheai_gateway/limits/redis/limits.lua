-- Every limit of one account in one decision, with this server's clock. The rules are those of domain/counters.py and
-- domain/windows.py; what follows is their translation, and one contract suite runs on both.
--
-- Keys: 1 state (hash: day, delivered, reserved, and the sums of both windows r and t)
--       2 requests, 3 tokens (lists of "time amount"), 4 leases (sorted set: "id day reserved" by expiry)
--       5 waiting (sorted set: id by arrival), 6 the same by expiry
-- Arguments: 1 command, 2 now in seconds ("" = the clock), the rest by command.

local state, requests, tokens, leases, waiting, alive = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local command, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local DAY, BUCKETS, KEPT_DAYS_MS = 86400, 120, 172800000
local EXACT_REQUESTS = 600
local WAITING, WAITER_S = 4, 2

local function number(field)
  return tonumber(redis.call('HGET', state, field)) or 0
end

local function write(field, value)
  redis.call('HSET', state, field, value)
end

local function entry(text)
  local at, amount = string.match(text, '^(%S+) (%S+)$')
  return tonumber(at), tonumber(amount)
end

-- Forget what has left a window; returns what is used.
local function used(list, field, length)
  local total = number(field)
  local changed = false
  while true do
    local first = redis.call('LINDEX', list, 0)
    if not first then
      if total ~= 0 then total = 0; changed = true end
      break
    end
    local at, amount = entry(first)
    if at + length > now then break end
    redis.call('LPOP', list)
    total = total - amount
    changed = true
  end
  if changed then write(field, total) end
  return total
end

local function add(list, field, amount, length, exact)
  local at = now
  if not exact then
    local width = length / BUCKETS
    at = (math.floor(now / width) + 1) * width
  end
  local last = redis.call('LINDEX', list, -1)
  local last_at, last_amount
  if last then last_at, last_amount = entry(last) end
  if last_at and last_at >= at then
    at = last_at
    redis.call('LSET', list, -1, string.format('%.6f %d', at, last_amount + amount))
  else
    redis.call('RPUSH', list, string.format('%.6f %d', at, amount))
  end
  redis.call('HINCRBY', state, field, amount)
  redis.call('PEXPIRE', list, math.ceil((at + length - now) * 1000) + 1000)
  return at
end

-- Milliseconds until less than `limit` is used.
local function wait_ms(list, total, limit, length)
  local excess = total - limit
  if excess < 0 then return 0 end
  local index = 0
  while true do
    local item = redis.call('LINDEX', list, index)
    if not item then return math.floor(length * 1000) end
    local at, amount = entry(item)
    excess = excess - amount
    if excess < 0 then return math.ceil((at + length - now) * 1000) end
    index = index + 1
  end
end

local function reset_ms(list, total, length)
  if total <= 0 then return 0 end
  local at = entry(redis.call('LINDEX', list, -1))
  return math.ceil((at + length - now) * 1000)
end

local function enter_day()
  local today, day = math.floor(now / DAY), number('day')
  if today > day then
    redis.call('HSET', state, 'day', today, 'delivered', 0, 'reserved', 0)
    day = today
  end
  redis.call('PEXPIRE', state, KEPT_DAYS_MS)
  return day
end

local function give_back(lease, day)
  local lease_day, reserved = string.match(lease, '^%S+ (%S+) (%S+)$')
  if reserved == '1' and tonumber(lease_day) == day then redis.call('HINCRBY', state, 'reserved', -1) end
end

-- Free the slots of nodes that died; returns how many requests run.
local function running(day)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    redis.call('ZREM', leases, lease)
    give_back(lease, day)
  end
  return redis.call('ZCARD', leases)
end

local function forget_waiters()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', now)) do
    redis.call('ZREM', alive, id)
    redis.call('ZREM', waiting, id)
  end
end

local function leave(id)
  redis.call('ZREM', waiting, id)
  redis.call('ZREM', alive, id)
end

local function stand(rate, token_limit, slots, cap, length, day, busy)
  local day_ms = math.ceil(((day + 1) * DAY - now) * 1000)
  local requests_used, tokens_used, taken = 0, 0, 0
  local requests_ms, tokens_ms = 0, 0
  if rate >= 0 then
    requests_used = used(requests, 'r', length)
    requests_ms = reset_ms(requests, requests_used, length)
  end
  if token_limit >= 0 then
    tokens_used = used(tokens, 't', length)
    tokens_ms = reset_ms(tokens, tokens_used, length)
  end
  if cap >= 0 then taken = number('delivered') + number('reserved') end
  return requests_used, requests_ms, tokens_used, tokens_ms, busy, taken, day_ms
end

-- admit: 3 rate, 4 tokens, 5 slots, 6 cap (-1 = no limit), 7 window, 8 lease id, 9 lease seconds, 10 waits ("1")
if command == 'admit' or command == 'stand' then
  local rate, token_limit, slots, cap = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local length, id, lease_s, waits = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9]), ARGV[10] == '1'
  local day = enter_day()
  local busy = running(day)
  if command == 'stand' then return {1, day, '0', stand(rate, token_limit, slots, cap, length, day, busy)} end
  local rule, limit, count, longest = 0, 0, 0, -1
  if cap >= 0 then
    local taken = number('delivered') + number('reserved')
    if taken >= cap then rule, limit, count, longest = 4, cap, taken, math.ceil(((day + 1) * DAY - now) * 1000) end
  end
  if rate >= 0 then
    local total = used(requests, 'r', length)
    if total >= rate then
      local ms = wait_ms(requests, total, rate, length)
      if ms > longest then rule, limit, count, longest = 1, rate, total, ms end
    end
  end
  if token_limit >= 0 then
    local total = used(tokens, 't', length)
    if total >= token_limit then
      local ms = wait_ms(tokens, total, token_limit, length)
      if ms > longest then rule, limit, count, longest = 2, token_limit, total, ms end
    end
  end
  local queued = 0
  if rule == 0 and slots >= 0 then
    forget_waiters()
    local ahead = redis.call('ZRANK', waiting, id) or redis.call('ZCARD', waiting)
    if busy + ahead >= slots then
      rule, limit, count, longest = 3, slots, busy, 1000
      if waits then
        if redis.call('ZSCORE', waiting, id) then
          queued = 1
        elseif redis.call('ZCARD', waiting) < WAITING then
          redis.call('ZADD', waiting, now, id)
          queued = 1
        end
        if queued == 1 then
          redis.call('ZADD', alive, now + WAITER_S, id)
          redis.call('PEXPIRE', waiting, WAITER_S * 2000)
          redis.call('PEXPIRE', alive, WAITER_S * 2000)
        end
      end
    end
  end
  if queued == 0 and waits then leave(id) end
  if rule ~= 0 then return {0, rule, limit, count, longest, queued} end
  local reserved = 0
  if cap >= 0 then
    reserved = 1
    redis.call('HINCRBY', state, 'reserved', 1)
  end
  redis.call('ZADD', leases, now + lease_s, id .. ' ' .. day .. ' ' .. reserved)
  redis.call('PEXPIRE', leases, math.ceil(lease_s * 1000) + 1000)
  local at = 0
  if rate >= 0 then at = add(requests, 'r', 1, length, rate <= EXACT_REQUESTS) end
  return {1, day, string.format('%.6f', at), stand(rate, token_limit, slots, cap, length, day, busy + 1)}
end

-- settle: 3 lease ("id day reserved"), 4 delivered ("1"), 5 tokens (0 = none are counted), 6 window
if command == 'settle' then
  if redis.call('ZREM', leases, ARGV[3]) == 0 then return 0 end
  local day = enter_day()
  give_back(ARGV[3], day)
  local lease_day, reserved = string.match(ARGV[3], '^%S+ (%S+) (%S+)$')
  if ARGV[4] == '1' and reserved == '1' and tonumber(lease_day) == day then
    redis.call('HINCRBY', state, 'delivered', 1)
  end
  local amount = tonumber(ARGV[5])
  if amount > 0 then add(tokens, 't', amount, tonumber(ARGV[6]), false) end
  return 1
end

-- withdraw: 3 lease id, 4 day, 5 reserved, 6 counted at: undo an admission that nobody heard of
if command == 'withdraw' then
  leave(ARGV[3])
  local lease = ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5]
  if redis.call('ZREM', leases, lease) == 0 then return 0 end
  give_back(lease, enter_day())
  local at = tonumber(ARGV[6])
  if at > 0 then
    for index, item in ipairs(redis.call('LRANGE', requests, 0, -1)) do
      local item_at, amount = entry(item)
      if item_at == at then
        if amount > 1 then
          redis.call('LSET', requests, index - 1, string.format('%.6f %d', item_at, amount - 1))
        else
          redis.call('LREM', requests, 1, item)
        end
        redis.call('HINCRBY', state, 'r', -1)
        break
      end
    end
  end
  return 1
end

-- leave: 3 lease id: stop waiting, and free the slot if it was granted after all, whose reply was never read
if command == 'leave' then
  leave(ARGV[3])
  for _, lease in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    if string.sub(lease, 1, #ARGV[3] + 1) == ARGV[3] .. ' ' then
      redis.call('ZREM', leases, lease)
      give_back(lease, enter_day())
    end
  end
  return 1
end

-- renew: 3 lease seconds, 4 and on: leases
if command == 'renew' then
  local expiry = now + tonumber(ARGV[3])
  for index = 4, #ARGV do redis.call('ZADD', leases, 'XX', expiry, ARGV[index]) end
  redis.call('PEXPIRE', leases, math.ceil(tonumber(ARGV[3]) * 1000) + 1000)
  return 1
end

-- restore: 3 day, 4 delivered: never lowers a count, ignores another day
if command == 'restore' then
  local day = enter_day()
  if tonumber(ARGV[3]) == day and tonumber(ARGV[4]) > number('delivered') then write('delivered', ARGV[4]) end
  return 1
end

return redis.error_reply('unknown command')
