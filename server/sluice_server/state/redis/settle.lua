-- Ends a reservation. KEYS: group, index, own limits.

local call = cmsgpack.unpack(ARGV[1])
local now = clock()
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local group = load_group(KEYS[1])
local changed = advance_group(group, KEYS[1], now)
local hold = load_hold(KEYS[1], call.id)
if not hold then
  if changed then store_group(KEYS, call.prefix, call.name, group, now) end
  return
end
drop_hold(group, KEYS[1], call.id, hold)
group.n = group.n + 1

local counts = {}
if call.used then
  for unit, amount in pairs(hold.u) do counts[unit] = amount end
  for unit, amount in pairs(call.used) do counts[unit] = amount end
  for unit, amount in pairs(counts) do
    if amount > 0 and not (unit == REQUESTS and hold.c) then
      ended(group, { n = group.n, a = now, x = now + hold.e, u = unit, m = amount })
    end
  end
end
for index, limit in ipairs(call.own) do
  local key = KEYS[index + 2]
  local own = load_own(key, limit, now)
  if limit.window > 0 then
    -- Unless it was taken from a window that is over.
    if not limit.at_once or windows(limit, now) == windows(limit, hold.a) then
      local level = own.l + (hold.u[limit.unit] or 0) - (counts[limit.unit] or 0)
      own.l = math.min(limit.capacity, level)
    end
    store_own(key, limit, own)
  else
    redis.call('ZREM', key, call.id)
  end
end
store_group(KEYS, call.prefix, call.name, group, now)
