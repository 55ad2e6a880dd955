-- Tells how groups and own limits stand. KEYS: groups, then own limits. Learns nothing new.

local asked = cmsgpack.unpack(ARGV[1])
local now = clock()
local groups, owns = {}, {}
for index = 1, asked.groups do
  local group = load(KEYS[index])
  local rows = {}
  if group then
    if advance_group(group, KEYS[index], now) then
      redis.call('SET', KEYS[index], cmsgpack.pack(group), 'KEEPTTL')
    end
    for _, bucket in ipairs(group.b) do
      advance(bucket, now)
      local full = full_at(bucket)
      rows[#rows + 1] = {
        unit = bucket.u, window = bucket.w, limit = bucket.l, remaining = bucket.m,
        reserved = held(group, bucket.u) + pending(bucket), reset_at = bucket.t,
        observed_at = bucket.x, source = bucket.c, full_at = full < INF and full or nil,
      }
    end
  end
  groups[index] = { known = group ~= nil, rows = rows }
end
for index, limit in ipairs(asked.own) do
  local key = KEYS[asked.groups + index]
  local own = load_own(key, limit, now)
  owns[index] = own and { level = own.l, calls = 0 } or { level = 0, calls = redis.call('ZCARD', key) }
end
return cmsgpack.pack({ now = now, groups = groups, own = owns })
