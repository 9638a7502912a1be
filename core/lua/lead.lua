-- Announces a leader's term. A term that is not newer is refused; a missing generation starts a new one.
-- KEYS epoch, generation
-- ARGV epoch, a fresh generation
local epoch = tonumber(redis.call('GET', KEYS[1]) or 0)
if epoch > tonumber(ARGV[1]) then return {0, '', 0} end
redis.call('SET', KEYS[1], ARGV[1])
local is_new = redis.call('SETNX', KEYS[2], ARGV[2])
return {1, redis.call('GET', KEYS[2]), is_new}
