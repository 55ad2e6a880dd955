-- Learns what a response stated. KEYS: group, index.

local told = cmsgpack.unpack(ARGV[1])
local now = clock()
local known = redis.call('EXISTS', KEYS[1]) == 1
if not known and #told.seen == 0 then return end
local group = load_group(KEYS[1])
local changed = advance_group(group, KEYS[1], now)
local asked = told.reservation == ''
local hold = not asked and load_hold(KEYS[1], told.reservation) or nil
if not hold and #told.seen == 0 then
  if changed then store_group(KEYS, told.prefix, told.name, group, now) end
  return
end
group.n = group.n + 1
local number = hold and hold.n or -1

local function learn(bucket, seen)
  local stated, reset = seen.reset, nil
  if stated and stated > now and stated - now <= MAX_SECONDS then reset = stated end
  local newer = number > bucket.e
  local apart = math.max(TOLERANCE_SECONDS, bucket.w * TOLERANCE_SHARE)
  if stated then
    if stated <= now and bucket.o and stated < bucket.o + apart then return end
    if bucket.a and stated <= bucket.a - apart and not newer then return end
  end
  bucket.x, bucket.c = now, seen.source
  if seen.limit then bucket.l = seen.limit end
  if not seen.remaining then
    if reset and not bucket.m then bucket.t, bucket.a = reset, reset end
    return
  end
  local least = false
  if bucket.m and not bucket.f then
    if not bucket.a then
      least = not (newer or (asked and not reset))
    elseif not reset or math.abs(reset - bucket.a) < apart then
      least = true
    end
  end
  if least then
    bucket.m = math.min(bucket.m, seen.remaining)
    if reset then
      bucket.t = math.max(bucket.t or 0, reset)
      bucket.a = bucket.a or reset
    end
  else
    bucket.m, bucket.t, bucket.a, bucket.s = seen.remaining, reset, reset, now
  end
  bucket.f = nil
  bucket.e = group.n
  bucket.i = math.max(bucket.i, number)
  advance(bucket, now)
end

local stated = {}
for _, seen in ipairs(told.seen) do
  local bucket
  for _, one in ipairs(group.b) do
    if one.u == seen.unit and one.w == seen.window then bucket = one end
  end
  if not bucket and #group.b < MAX_BUCKETS then
    bucket = { u = seen.unit, w = seen.window, s = 0, f = true, x = 0, e = -1, i = -1, p = {} }
    for _, one in ipairs(group.r) do
      if one.u == seen.unit then append(bucket.p, one) end
    end
    group.b[#group.b + 1] = bucket
  end
  if bucket then
    advance(bucket, now)
    learn(bucket, seen)
    if seen.remaining then stated[bucket] = true end
  end
end

if hold and not hold.c then
  drop_hold(group, KEYS[1], told.reservation, hold)
  hold.c = true
  store_hold(group, KEYS[1], told.reservation, hold)
  local amount = hold.u[REQUESTS] or 0
  if amount > 0 then
    ended(group, { n = group.n, a = now, x = now + hold.e, u = REQUESTS, m = amount }, stated)
  end
end
store_group(KEYS, told.prefix, told.name, group, now)
