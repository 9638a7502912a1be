-- Adds tasks to lanes and to the due ones, and wakes the dispatcher: with a task alone in its lane's list itself, so that
-- a dispatcher who knows the lane to be empty need not look into it.
-- KEYS lanes, due, wake, ready (prefix)
-- ARGV wake limit, number of lanes, per lane: name, number of values, score, id …; then score, member … of due ones
local argument = 3
for _ = 1, tonumber(ARGV[2]) do
    local lane, count = ARGV[argument], tonumber(ARGV[argument + 1])
    redis.call('ZADD', KEYS[4] .. ':' .. lane, unpack(ARGV, argument + 2, argument + 1 + count))
    redis.call('SADD', KEYS[1], lane)
    if count == 2 then
        local score, id = ARGV[argument + 2], ARGV[argument + 3]
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], '*', 'm', lane, 'i', id, 's', score)
    else
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], '*', 'm', lane)
    end
    argument = argument + 2 + count
end
if argument <= #ARGV then
    redis.call('ZADD', KEYS[2], unpack(ARGV, argument, #ARGV))
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], '*', 'm', '')
end
