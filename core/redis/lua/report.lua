-- Adds reports to the results. Reports end tasks and so free memory: a full Redis has to accept them, and it
-- accepts everything from a script that has deleted something before.
-- KEYS results, a key that never exists
-- ARGV encoded reports
redis.call('DEL', KEYS[2])
return redis.call('XADD', KEYS[1], '*', 'm', ARGV[1])
