-- Announces a leader's term; a term older than the known one is refused. A generation that is
-- missing, or belongs to an earlier start of the server, is replaced; the inboxes of the old one are void.
-- A term of another database is also refused, as long as the canary shows that its leader lives.
-- KEYS epoch, generation, agents, canary, then the prefix: inbox
-- ARGV epoch, run id of the server, a fresh mark, which database
-- An invalid epoch or generation is replaced; the last value returned is the invalid epoch.
local owner = redis.pcall('GET', KEYS[4])
if type(owner) == 'string' and string.match(owner, '^%d+/%d+$') and owner ~= ARGV[4] then return {-1, '', 0, ''} end
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
    redis.call('DEL', KEYS[5] .. ':' .. agent)
end
return {1, ARGV[2] .. ':' .. ARGV[3], 1, odd}
