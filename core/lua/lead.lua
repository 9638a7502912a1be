-- Announces a leader's term; one that is older than the known one is refused. A generation that is
-- missing, or belongs to an earlier start of the server, is replaced; the inboxes of the old one are void.
-- KEYS epoch, generation, agents, then the prefix: inbox
-- ARGV epoch, run id of the server, a fresh mark
local epoch = tonumber(redis.call('GET', KEYS[1]) or 0)
if epoch > tonumber(ARGV[1]) then return {0, '', 0} end
redis.call('DEL', KEYS[1]) -- a deletion first: a full Redis takes the rest then
redis.call('SET', KEYS[1], ARGV[1])
local generation = redis.call('GET', KEYS[2])
if generation and string.sub(generation, 1, #ARGV[2]) == ARGV[2] then return {1, generation, 0} end
redis.call('SET', KEYS[2], ARGV[2] .. ':' .. ARGV[3])
for _, agent in ipairs(redis.call('SMEMBERS', KEYS[3])) do
    redis.call('DEL', KEYS[4] .. ':' .. agent)
end
return {1, ARGV[2] .. ':' .. ARGV[3], 1}
