-- Reads at one instant what the leader checks every second; renews the canary.
-- KEYS generation, epoch, canary, results, lanes, agents, then prefixes: agent, inbox
-- ARGV canary TTL in ms, 1 to recreate the canary, most bytes of a heartbeat, the canary's database
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
    redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[1])
    canary = 1
else
    canary = redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
local agents = {}
for _, agent in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    local name = KEYS[7] .. ':' .. agent
    -- of one that is too large for a heartbeat the beginning, which can't be read as one either
    local beat = redis.call('EXISTS', name) == 1 and redis.call('GETRANGE', name, 0, tonumber(ARGV[3]))
    if beat then
        agents[#agents + 1] = {agent, beat, tail(KEYS[8] .. ':' .. agent)}
    else
        redis.call('SREM', KEYS[6], agent)
    end
end
-- not the stream's last id: a new leader finds deleted entries neither there nor unread
local unread = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
return {
    redis.call('GETRANGE', KEYS[1], 0, 1000), redis.call('GETRANGE', KEYS[2], 0, 1000), canary, unread and unread[1] or '0-0',
    redis.call('SMEMBERS', KEYS[5]), agents,
}
