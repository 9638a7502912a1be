-- Quarantines an item; the oldest is dropped when there are too many. A key of another type is removed first.
-- KEYS quarantine, a key that never exists
-- ARGV limit, then name, value … of the fields
redis.call('DEL', KEYS[2]) -- a deletion first: a full Redis takes the rest then
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then redis.call('DEL', KEYS[1]) end
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', unpack(ARGV, 2))
if type(added) == 'table' then -- its last id is the largest that there is
    redis.call('DEL', KEYS[1])
    added = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', unpack(ARGV, 2))
end
return added
