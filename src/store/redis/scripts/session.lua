-- The records of the session ARGV[1] and of its user, after the user's id.
local s = find_session(ARGV[1])
if not s then return false end
return { s.user, redis.call('GET', P .. 's:' .. s.id), redis.call('GET', P .. 'u:' .. s.user) }
