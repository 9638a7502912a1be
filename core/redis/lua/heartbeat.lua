-- An agent's heartbeat.
-- KEYS heartbeat, agents, generation, fenced
-- ARGV agent id, heartbeat, TTL in ms
-- A deletion comes first, so that a full Redis accepts the rest: otherwise agents would count as lost.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
return {redis.call('GET', KEYS[3]), redis.call('EXISTS', KEYS[4])}
