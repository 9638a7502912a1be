-- Gives new ids to entries of a stream whose ids are no server times, at its end, so that more can be added.
-- KEYS stream, a key that never exists
-- ARGV first id that is no time
local moved = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 1000)
redis.call('DEL', KEYS[2])
while #moved > 0 do
    for _, entry in ipairs(moved) do
        redis.call('XADD', KEYS[2], '*', unpack(entry[2]))
        redis.call('XDEL', KEYS[1], entry[1])
    end
    moved = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 1000)
end
-- recreates the stream, since its last id can't be lowered
local rest = redis.call('XRANGE', KEYS[1], '-', '+')
local ttl = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
for _, entry in ipairs(rest) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do redis.call('XADD', KEYS[1], '*', unpack(entry[2])) end
redis.call('DEL', KEYS[2])
if ttl > 0 and redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ttl) end
return #rest
