-- Announces a leader's term; a term older than the known one is refused. A generation that is
-- missing, or belongs to an earlier start of the server, is replaced; the inboxes of the old one are void.
-- A term of another database is also refused, as long as the canary shows that its leader lives.
-- KEYS epoch, generation, agents, canary, reporters, then prefixes: inbox, boots
-- ARGV epoch, run id of the server, a fresh mark, which database, then the names of agents with credentials of their own
-- An invalid epoch or generation is replaced; the last value returned is the invalid epoch.
local owner = redis.pcall('GET', KEYS[4])
if type(owner) == 'string' and string.match(owner, '^%d+/%d+$') and owner ~= ARGV[4] then return {-1, '', 0, ''} end
local known = redis.call('GET', KEYS[1]) or '0'
local odd = not (#known <= 15 and string.match(known, '^%d+$'))
if not odd and tonumber(known) > tonumber(ARGV[1]) then return {0, '', 0, ''} end
redis.call('DEL', KEYS[1]) -- a deletion first: a full Redis takes the rest then
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[5])
for at = 5, #ARGV do redis.call('SADD', KEYS[5], ARGV[at]) end
local generation = redis.call('GET', KEYS[2])
local is_new = not (generation and #generation <= 200 and string.match(generation, '^[%w:]+$')
    and string.sub(generation, 1, #ARGV[2]) == ARGV[2])
if is_new then
    generation = ARGV[2] .. ':' .. ARGV[3]
    redis.call('SET', KEYS[2], generation)
    for _, agent in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('DEL', KEYS[6] .. ':' .. agent) end
end
for at = 5, #ARGV do
    local boots = redis.pcall('SMEMBERS', KEYS[7] .. ':' .. ARGV[at])
    for _, agent in ipairs(is_new and not boots.err and boots or {}) do
        if string.match(agent, '^(.*):[^:]*$') == ARGV[at] then redis.call('DEL', KEYS[6] .. ':' .. agent) end
    end
    redis.call('SET', KEYS[2] .. ':' .. ARGV[at], generation)
end
odd = odd and string.sub(known, 1, 1000) or ''
return {1, generation, is_new and 1 or 0, odd}
