-- Notes that somebody waits for the end of a task: publish.lua tells of those only.
-- KEYS awaited
-- ARGV task id, seconds
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
