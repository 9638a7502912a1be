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
    redis.call('SET', KEYS[3], '1', 'PX', ARGV[1])
    canary = 1
else
    canary = redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
local agents = {}
for position, agent in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    agents[position] = {agent, redis.call('GET', KEYS[7] .. ':' .. agent), tail(KEYS[8] .. ':' .. agent)}
end
return {
    redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), canary, tail(KEYS[4]),
    redis.call('SMEMBERS', KEYS[5]), agents,
}
