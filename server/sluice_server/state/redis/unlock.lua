-- Gives a lock back, if the token is still the one that took it. KEYS: lock.

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
