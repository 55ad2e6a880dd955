-- Returns the milliseconds that each of KEYS still rests; negative for those that do not.

local left = {}
for index, key in ipairs(KEYS) do left[index] = redis.call('PTTL', key) end
return left
