-- Removes members of a sorted set whose score has not changed since they were read.
-- KEYS the sorted set
-- ARGV score, member …
local removed = 0
for at = 1, #ARGV, 2 do
    local score = redis.call('ZSCORE', KEYS[1], ARGV[at + 1])
    if score and tonumber(score) == tonumber(ARGV[at]) then -- not their texts, which servers write in several ways
        removed = removed + redis.call('ZREM', KEYS[1], ARGV[at + 1])
    end
end
return removed
