-- Reads some members of a set that orders tasks by time; a member that is too large is removed, and its beginning returned.
-- KEYS the sorted set
-- ARGV cursor of ZSCAN, approximate count, most bytes of a member
local answer = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local flat, found, large = answer[2], {}, {}
for at = 1, #flat, 2 do
    if #flat[at] > tonumber(ARGV[3]) then
        redis.call('ZREM', KEYS[1], flat[at])
        large[#large + 1] = string.sub(flat[at], 1, 1000)
    else
        found[#found + 1] = flat[at]
        found[#found + 1] = flat[at + 1]
    end
end
return {answer[1], found, large}
