-- Publishes what a tick committed, if the tick's leader still leads.
-- KEYS epoch, results, lanes, due, agents, awaited, then prefixes: ready, inbox, agent, fenced, boots, ended
-- ARGV epoch, then counted lists: consumed results; agents with consumed results of their own; lanes with ids to
--      remove; lanes with score, id …; score, member … of due ones; agents with orders; ended agents; fenced agents; and ids of
--      ended tasks, with commas between them
-- Deletions come first, since a full Redis accepts them, and after them the rest.
local ready, inbox, beat, fenced = KEYS[7] .. ':', KEYS[8] .. ':', KEYS[9] .. ':', KEYS[10] .. ':'
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', ready)
local argument = 2
local function number()
    argument = argument + 1
    return tonumber(ARGV[argument - 1])
end
local function text()
    argument = argument + 1
    return ARGV[argument - 1]
end
-- in pieces: Lua's stack holds about 8,000 values
local function in_pieces(count, command, key, call)
    local last, run = argument + count - 1, call or redis.call
    while argument <= last do
        local to = math.min(argument + 1999, last)
        run(command, key, unpack(ARGV, argument, to))
        argument = to + 1
    end
end
in_pieces(number(), 'XDEL', KEYS[2])
for _ = 1, number() do
    local agent = text()
    in_pieces(number(), 'XDEL', KEYS[2] .. ':' .. agent, redis.pcall) -- which it may have replaced by anything
end
for _ = 1, number() do
    local lane = text()
    in_pieces(number(), 'ZREM', ready .. lane)
end
-- A member that is there already was added after the rows were read, with a newer priority: it stays.
local function if_missing(command, key, ...) return redis.call(command, key, 'NX', ...) end
for _ = 1, number() do
    local lane = text()
    redis.call('SADD', KEYS[3], lane)
    in_pieces(number(), 'ZADD', ready .. lane, if_missing)
end
in_pieces(number(), 'ZADD', KEYS[4], if_missing)
for _ = 1, number() do
    local agent = text()
    redis.call('XADD', inbox .. agent, '*', 'm', text())
    redis.call('EXPIRE', inbox .. agent, 3600) -- if its agent is gone and nobody lives to delete it
end
for _ = 1, number() do
    local agent = text()
    redis.call('SREM', KEYS[5], agent)
    redis.pcall('SREM', KEYS[11] .. ':' .. (string.match(agent, '^(.*):[^:]*$') or ''), agent)
    redis.call('DEL', beat .. agent, inbox .. agent)
end
for _ = 1, number() do
    redis.call('SET', fenced .. text(), '1', 'EX', 3600)
end
local ended = text()
if ended ~= '' and redis.call('EXISTS', KEYS[6]) == 1 then
    for id in string.gmatch(ended, '[^,]+') do
        if redis.pcall('SREM', KEYS[6], id) == 1 then
            redis.pcall('XADD', KEYS[12] .. ':' .. id, '*', 'm', '')
            redis.call('EXPIRE', KEYS[12] .. ':' .. id, 60) -- for others who wait for the same one
        end
    end
end
return 1
