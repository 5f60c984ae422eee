-- End the session ARGV[2] of the user ARGV[1] at the time ARGV[3]. Returns the user's record.
check_in()
local u = find_user(ARGV[1])
if not u or not strike(u, ARGV[2]) then return false end
forget_session(ARGV[2])
return touch(u, ARGV[3])
