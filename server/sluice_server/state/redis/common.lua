-- What the scripts share: the rules of quota.py on one group and on own limits.
--
-- A group is one value, packed: n numbers its events, b are its buckets, h the sums
-- of what running calls hold, r what ended while a call without a response ran. What
-- each call holds is in a hash beside it (n number, a taken at, x expires, e
-- seconds for which it counts when it ended, u amounts, c its
-- response was seen), with one sorted set by expiry and one of calls without a
-- response by number. These keys are made from the group's, in the same slot. A bucket:
--   u unit, w window, l limit, m remaining, t reset, a first reset of this window,
--   s since when remaining is as stated, f nothing was said about this window,
--   o when it rolled over, x observed at, c source, e number of the last
--   observation, i what ended before is included, p what ended and is not.
-- Something ended: n number, a at, x expires, u unit, m amount.
-- The constants above this line come from sane.py.

local INF = math.huge

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function load(key)
  local packed = redis.call('GET', key)
  if packed then return cmsgpack.unpack(packed) end
end

local function store(key, value, seconds)
  local lifetime = math.ceil(math.min(math.max(seconds, 1), MAX_SECONDS) * 1000)
  redis.call('SET', key, cmsgpack.pack(value), 'PX', string.format('%d', lifetime))
end

local function load_group(key)
  local group = load(key)
  if group then return group end
  redis.call('DEL', key .. ':holds', key .. ':ends', key .. ':unseen')
  return { n = 0, b = {}, h = {}, r = {} }
end

local function full_at(bucket)
  if bucket.t then return bucket.t end
  if bucket.f or not bucket.m then return INF end
  return bucket.s + (bucket.w > 0 and bucket.w or SILENT_WINDOW)
end

-- Lets time pass for a bucket.
local function advance(bucket, now)
  local full = full_at(bucket)
  if full <= now then
    bucket.m, bucket.o, bucket.t, bucket.a, bucket.f = bucket.l, full, nil, nil, true
    -- A limit of zero cannot be full; only a call finds out whether it still holds.
    if bucket.l == 0 then bucket.m = nil end
  end
  local pending = {}
  for _, ended in ipairs(bucket.p) do
    if ended.n > bucket.i and ended.x > now and not (bucket.o and ended.a <= bucket.o)
      and (bucket.w == 0 or ended.a + bucket.w > now) then
      pending[#pending + 1] = ended
    end
  end
  bucket.p = pending
end

local function load_hold(key, id)
  local packed = redis.call('HGET', key .. ':holds', id)
  if packed then return cmsgpack.unpack(packed) end
end

local function store_hold(group, key, id, hold)
  redis.call('HSET', key .. ':holds', id, cmsgpack.pack(hold))
  redis.call('ZADD', key .. ':ends', string.format('%.17g', hold.x), id)
  if not hold.c then redis.call('ZADD', key .. ':unseen', hold.n, id) end
  for unit, amount in pairs(hold.u) do
    if not (unit == REQUESTS and hold.c) then
      group.h[unit] = (group.h[unit] or 0) + amount
    end
  end
end

local function drop_hold(group, key, id, hold)
  redis.call('HDEL', key .. ':holds', id)
  redis.call('ZREM', key .. ':ends', id)
  redis.call('ZREM', key .. ':unseen', id)
  for unit, amount in pairs(hold.u) do
    if not (unit == REQUESTS and hold.c) then group.h[unit] = group.h[unit] - amount end
  end
end

-- Gives back what lost replicas hold, drops buckets that nobody mentions any more, and
-- forgets what every response to come includes. Returns whether the group must be stored.
local function advance_group(group, key, now)
  local lost = redis.call('ZRANGEBYSCORE', key .. ':ends', '-inf', string.format('%.17g', now))
  for _, id in ipairs(lost) do
    local hold = load_hold(key, id)
    if hold then drop_hold(group, key, id, hold) end
  end
  if #group.r > 0 then
    local oldest = tonumber(redis.call('ZRANGE', key .. ':unseen', 0, 0, 'WITHSCORES')[2] or INF)
    local recent = {}
    for _, ended in ipairs(group.r) do
      if ended.n > oldest and ended.x > now then recent[#recent + 1] = ended end
    end
    group.r = recent
  end
  local kept = {}
  for _, bucket in ipairs(group.b) do
    local idle = now - bucket.x > math.max(FORGET_SECONDS, 2 * bucket.w)
    if idle then advance(bucket, now) end
    if not idle or full_at(bucket) < INF then kept[#kept + 1] = bucket end
  end
  local dropped = #kept < #group.b
  group.b = kept
  return #lost > 0 or dropped
end

-- Appends; beyond a bound the two oldest of the unit become one, as if both had ended
-- when the later one did.
local function append(list, ended)
  list[#list + 1] = ended
  if #list <= MAX_ENDED then return end
  local first
  for index, one in ipairs(list) do
    if one.u == ended.u and first then
      list[index] = { n = one.n, a = one.a, x = one.x, u = one.u, m = list[first].m + one.m }
      table.remove(list, first)
      return
    end
    if one.u == ended.u then first = index end
  end
end

-- Counts what a call used on all buckets of the unit except those in `stated`.
local function ended(group, one, stated)
  for _, bucket in ipairs(group.b) do
    if bucket.u == one.u and not (stated and stated[bucket]) then append(bucket.p, one) end
  end
  append(group.r, one)
end

local function held(group, unit)
  return group.h[unit] or 0
end

local function pending(bucket)
  local sum = 0
  for _, one in ipairs(bucket.p) do sum = sum + one.m end
  return sum
end

-- What a call that gives way leaves to others; nothing if it then never fits.
local function spare(limit, need, ceiling)
  if ceiling >= 1 then return 0 end
  return math.max(0, math.min(limit - math.floor(limit * ceiling + EPSILON), limit - need))
end

-- Keeps a group, and its name in the index; the least recent one is forgotten.
local function store_group(keys, prefix, name, group, now)
  local seconds = FORGET_SECONDS
  for _, bucket in ipairs(group.b) do
    local full = full_at(bucket)
    if full < INF then seconds = math.max(seconds, full - now + FORGET_SECONDS) end
    seconds = math.max(seconds, 2 * bucket.w)
  end
  local last = redis.call('ZRANGE', keys[1] .. ':ends', -1, -1, 'WITHSCORES')[2]
  if last then seconds = math.max(seconds, tonumber(last) - now) end
  store(keys[1], group, seconds)
  for _, kind in ipairs({ ':holds', ':ends', ':unseen' }) do
    redis.call('EXPIRE', keys[1] .. kind, string.format('%d', math.min(seconds, MAX_SECONDS) + 60))
  end
  redis.call('ZADD', keys[2], string.format('%.6f', now), name)
  redis.call('EXPIRE', keys[2], string.format('%d', MAX_SECONDS))
  if redis.call('ZCARD', keys[2]) > MAX_GROUPS then
    local oldest = redis.call('ZPOPMIN', keys[2])[1]
    local key = prefix .. oldest
    redis.call('DEL', key, key .. ':holds', key .. ':ends', key .. ':unseen')
  end
end

-- Number of the present window of a limit since the epoch.
local function windows(limit, now)
  return math.floor(now / limit.window)
end

-- Seconds until so much has flowed back.
local function refill(limit, missing, now)
  if limit.at_once then return (windows(limit, now) + 1) * limit.window - now end
  return missing * limit.window / limit.capacity
end

-- An own limit that refills: l level, t its time, k the capacity that l was counted
-- from. One of calls at the same time is a sorted set of their names by expiry.
local function load_own(key, limit, now)
  if limit.window == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.17g', now))
    return
  end
  local own = load(key) or { l = limit.capacity, t = now, k = limit.capacity }
  -- What was taken stays taken when the operator changes the limit.
  own.l = own.l + limit.capacity - (own.k or limit.capacity)
  if limit.at_once then
    if windows(limit, now) > windows(limit, own.t) then own.l = limit.capacity end
  else
    own.l = own.l + math.max(0, now - own.t) * limit.capacity / limit.window
  end
  own.l, own.k = math.min(limit.capacity, own.l), limit.capacity
  own.t = limit.at_once and math.max(now, own.t) or now
  return own
end

-- Keeps calls in the set of an own limit of calls at the same time.
local function keep_calls(key, ids, expires, now)
  for _, id in ipairs(ids) do redis.call('ZADD', key, string.format('%.17g', expires), id) end
  local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
  redis.call('EXPIRE', key, string.format('%d', math.ceil(last - now) + 1))
end

local function store_own(key, limit, own)
  local seconds = 1
  if limit.capacity > 0 then
    seconds = refill(limit, limit.capacity - own.l, own.t) + 1
  end
  store(key, own, seconds)
end
