-- Takes room for a call on all buckets and own limits, or on none.
-- KEYS: group, index, own limits. Returns nothing, or the refusal that lasts longest.

local call = cmsgpack.unpack(ARGV[1])
local now = clock()
local group = load_group(KEYS[1])
local changed = advance_group(group, KEYS[1], now)
if load_hold(KEYS[1], call.id) then return false end

local worst
local function refuse(refusal)
  if not worst or (worst.wait and (not refusal.wait or refusal.wait > worst.wait)) then
    worst = refusal
  end
end

for _, bucket in ipairs(group.b) do
  advance(bucket, now)
  local need = call.amounts[bucket.u]
  if need and bucket.m and not call.force then
    need = math.max(need, 1)
    local room = bucket.m - pending(bucket)
    if bucket.l then room = room - spare(bucket.l, need, call.ceiling) end
    if room - held(group, bucket.u) < need then
      local refusal = { unit = bucket.u, limit = bucket.l, window = bucket.w, own = '' }
      if not (bucket.l and need > bucket.l) then
        local wait = full_at(bucket) - now
        -- What runs is expected to use less than it holds.
        if wait == INF or (room >= need and bucket.u ~= REQUESTS) then
          wait = math.min(wait, RECHECK)
        end
        refusal.wait = wait
      end
      refuse(refusal)
    end
  end
end

local owns = {}
for index, limit in ipairs(call.own) do
  local own = load_own(KEYS[index + 2], limit, now)
  owns[index] = own
  if not call.force then
    local refusal = { unit = limit.unit, limit = limit.capacity, window = limit.window,
                      own = limit.name }
    if limit.window > 0 then
      local need = math.max(call.amounts[limit.unit] or 0, 1)
      local room = own.l - spare(limit.capacity, need, call.ceiling)
      if room + EPSILON < need then
        if need <= limit.capacity then
          refusal.wait = refill(limit, need - room, now)
        end
        refuse(refusal)
      end
    else
      local calls = redis.call('ZCARD', KEYS[index + 2])
      if limit.capacity - calls - spare(limit.capacity, 1, call.ceiling) < 1 then
        if limit.capacity >= 1 then
          local first = redis.call('ZRANGE', KEYS[index + 2], 0, 0, 'WITHSCORES')[2]
          refusal.wait = math.min(RECHECK, math.max(0, tonumber(first or now) - now))
        end
        refuse(refusal)
      end
    end
  end
end
if worst then
  if changed then store_group(KEYS, call.prefix, call.name, group, now) end
  return cmsgpack.pack(worst)
end

group.n = group.n + 1
local expires = now + call.ttl
store_hold(group, KEYS[1], call.id, { n = group.n, a = now, x = expires, e = call.remember,
                                      u = call.amounts, c = call.counted })
for index, limit in ipairs(call.own) do
  local key, own = KEYS[index + 2], owns[index]
  if limit.window > 0 then
    own.l = own.l - (call.amounts[limit.unit] or 0)
    store_own(key, limit, own)
  else
    keep_calls(key, { call.id }, expires, now)
  end
end
store_group(KEYS, call.prefix, call.name, group, now)
return false
