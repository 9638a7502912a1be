-- Announces a leader's term; one that is older than the known one is refused. A generation that is
-- missing, or belongs to an earlier start of the server, is replaced; the inboxes of the old one are void.
-- KEYS epoch, generation, agents, then the prefix: inbox
-- ARGV epoch, run id of the server, a fresh mark
-- What is no epoch or generation of ours is replaced; returned last: the epoch that was none.
local known = redis.call('GET', KEYS[1]) or '0'
local odd = not (#known <= 15 and string.match(known, '^%d+$'))
if not odd and tonumber(known) > tonumber(ARGV[1]) then return {0, '', 0, ''} end
redis.call('DEL', KEYS[1]) -- a deletion first: a full Redis takes the rest then
redis.call('SET', KEYS[1], ARGV[1])
local generation = redis.call('GET', KEYS[2])
odd = odd and string.sub(known, 1, 1000) or ''
if generation and #generation <= 200 and string.match(generation, '^[%w:]+$')
    and string.sub(generation, 1, #ARGV[2]) == ARGV[2] then return {1, generation, 0, odd} end
redis.call('SET', KEYS[2], ARGV[2] .. ':' .. ARGV[3])
for _, agent in ipairs(redis.call('SMEMBERS', KEYS[3])) do
    redis.call('DEL', KEYS[4] .. ':' .. agent)
end
return {1, ARGV[2] .. ':' .. ARGV[3], 1, odd}
