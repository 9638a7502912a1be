-- Moves due tasks to their lanes, then reads the heads of some lanes.
-- KEYS lanes, due, ready (prefix)
-- ARGV now, number of lanes, per lane: name, how many
-- A due member is id|score in its lane|lane; others are removed and returned.
local moved, odd = {}, {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 1000)) do
    local id, score, lane = string.match(member, '^([^|]*)|([^|]*)|(.*)$')
    redis.call('ZREM', KEYS[2], member) -- the deletion first: a full Redis takes the rest then
    local place = score and string.match(score, '^[%d.eE+-]+$') and tonumber(score)
    if #member <= 4000 and place and place > -3e11 and place < 3e11 then
        redis.call('ZADD', KEYS[3] .. ':' .. lane, score, id)
        redis.call('SADD', KEYS[1], lane)
        moved[#moved + 1] = lane
    else
        odd[#odd + 1] = member
    end
end
local heads = {}
for lane = 1, tonumber(ARGV[2]) do
    local name, count = ARGV[lane * 2 + 1], tonumber(ARGV[lane * 2 + 2])
    heads[lane] = redis.call('ZRANGE', KEYS[3] .. ':' .. name, 0, count - 1, 'WITHSCORES')
    if #heads[lane] == 0 then redis.call('SREM', KEYS[1], name) end
end
local next_due = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
return {moved, next_due or false, heads, odd}
