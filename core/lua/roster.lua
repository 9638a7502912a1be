-- What the leader looks at every second, at one instant; keeps the canary alive.
-- KEYS generation, epoch, canary, results, lanes, agents, then prefixes: agent, inbox
-- ARGV canary TTL in ms, 1 to start the canary anew
local function tail(stream)
    local info = redis.pcall('XINFO', 'STREAM', stream)
    if info.err then return '0-0' end
    for field = 1, #info, 2 do
        if info[field] == 'last-generated-id' then return info[field + 1] end
    end
end
local canary
if ARGV[2] == '1' then
    redis.call('DEL', KEYS[3]) -- a deletion first: a full Redis takes the rest then
    redis.call('SET', KEYS[3], '1', 'PX', ARGV[1])
    canary = 1
else
    canary = redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
local agents = {}
for _, agent in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    local beat = redis.call('GET', KEYS[7] .. ':' .. agent)
    if beat then
        agents[#agents + 1] = {agent, beat, tail(KEYS[8] .. ':' .. agent)}
    else
        redis.call('SREM', KEYS[6], agent)
    end
end
-- not the stream's last id: a leader that begins finds what was deleted neither there nor unread
local unread = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
return {
    redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), canary, unread and unread[1] or '0-0',
    redis.call('SMEMBERS', KEYS[5]), agents,
}
