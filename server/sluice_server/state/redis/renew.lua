-- Lets reservations of running calls live on. KEYS: group, index, own limits.
-- Returns the ids of those that hold nothing any more.

local call = cmsgpack.unpack(ARGV[1])
local now = clock()
local group = load_group(KEYS[1])
advance_group(group, KEYS[1], now)
local expires = now + call.ttl
local lapsed, kept = {}, {}
for _, id in ipairs(call.ids) do
  local hold = load_hold(KEYS[1], id)
  if hold then
    hold.x = expires
    redis.call('HSET', KEYS[1] .. ':holds', id, cmsgpack.pack(hold))
    redis.call('ZADD', KEYS[1] .. ':ends', string.format('%.17g', expires), id)
    kept[#kept + 1] = id
  else
    lapsed[#lapsed + 1] = id
  end
end
if #kept > 0 then
  for index, limit in ipairs(call.own) do
    if limit.window == 0 then keep_calls(KEYS[index + 2], kept, expires, now) end
  end
  store_group(KEYS, call.prefix, call.name, group, now)
end
return lapsed
