-- Reads at one instant what the leader checks every second; renews the canary.
-- KEYS generation, epoch, canary, results, lanes, agents, then prefixes: agent, inbox, boots
-- ARGV canary TTL in ms, 1 to recreate the canary, most bytes of a heartbeat, the canary's database, most boots of an
--      agent with credentials of its own, how many readings it takes to read all heartbeats, which of them this is,
--      then the names of these agents. They may have put anything into their keys.
-- Heartbeats that are not this reading's turn are only looked for.
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
local readings, turn = tonumber(ARGV[6]), tonumber(ARGV[7])
local function is_due(agent)
    if readings == 1 then return true end
    local sum = 0
    for at = math.max(1, #agent - 7), #agent do sum = (sum * 31 + string.byte(agent, at)) % 65521 end
    return sum % readings == turn
end
local agents, others = {}, {}
for _, agent in ipairs(redis.call('SMEMBERS', KEYS[6])) do
    local name = KEYS[7] .. ':' .. agent
    -- of one that is too large for a heartbeat the beginning, which can't be read as one either
    if redis.call('EXISTS', name) == 0 then
        redis.call('SREM', KEYS[6], agent)
    elseif is_due(agent) then
        local beat = redis.call('GETRANGE', name, 0, tonumber(ARGV[3]))
        agents[#agents + 1] = {agent, beat, tail(KEYS[8] .. ':' .. agent)}
    else
        others[#others + 1] = agent
    end
end
-- not the stream's last id: a new leader finds deleted entries neither there nor unread
local function unread(stream, call)
    local newest = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
    return not newest.err and newest[1] and newest[1][1] or '0-0'
end
local own_tails = {}
for at = 8, #ARGV do
    local name = ARGV[at]
    own_tails[#own_tails + 1] = unread(KEYS[4] .. ':' .. name, redis.pcall)
    local boots = KEYS[9] .. ':' .. name
    local size = redis.pcall('SCARD', boots)
    if type(size) == 'number' and size > tonumber(ARGV[5]) then redis.call('DEL', boots) end -- they beat again
    local found = redis.pcall('SMEMBERS', boots)
    for _, agent in ipairs(found.err and {} or found) do
        local size = string.match(agent, '^(.*):[^:]*$') == name and redis.pcall('STRLEN', KEYS[7] .. ':' .. agent)
        if type(size) ~= 'number' or size == 0 then
            redis.call('SREM', boots, agent)
        elseif is_due(agent) then
            local beat = redis.call('GETRANGE', KEYS[7] .. ':' .. agent, 0, tonumber(ARGV[3]))
            agents[#agents + 1] = {agent, beat, tail(KEYS[8] .. ':' .. agent)}
        else
            others[#others + 1] = agent
        end
    end
end
return {
    redis.call('GETRANGE', KEYS[1], 0, 1000), redis.call('GETRANGE', KEYS[2], 0, 1000), canary,
    unread(KEYS[4], redis.call), redis.call('SMEMBERS', KEYS[5]), agents, others, own_tails,
}
