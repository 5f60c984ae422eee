-- Remove the user ARGV[1] at the time ARGV[2]. Returns whether there was one.
check_in()
local u = find_user(ARGV[1])
if not u then return 0 end
end_sessions(u, '')
redis.call('ZREM', EMAILS, u.email .. '\0' .. u.id)
redis.call('DEL', P .. 'u:' .. u.id)
tell('r', u.id, 0, ARGV[2])
return 1
