-- Open the session ARGV[1] with the record ARGV[2], if its user ARGV[3] is enabled and at the version ARGV[4]; it was opened
-- at ARGV[5]. At most ARGV[6] stay. Returns the user's record.
check_in()
local id, opened, at_most = ARGV[1], tonumber(ARGV[5]), tonumber(ARGV[6])
local u = find_user(ARGV[3])
if not u or u.enabled ~= 1 or digits(u.version) ~= ARGV[4] then return false end
strike(u, id)
-- The new one stays, even if a clock that was set back makes it the oldest.
while #u.sessions / 24 > math.max(at_most - 1, 0) do
    local oldest = string.sub(u.sessions, 1, 16)
    forget_session(oldest)
    strike(u, oldest)
end
local place = #u.sessions + 1
for there, other, since in each_session(u) do
    if since > opened or (since == opened and other > id) then
        place = there
        break
    end
end
local entry = struct.pack('>c16I8', id, opened)
u.sessions = string.sub(u.sessions, 1, place - 1) .. entry .. string.sub(u.sessions, place)
redis.call('SET', P .. 's:' .. id, ARGV[2])
-- Only the sweep knows the limits: it looks at a new session once, and then knows when to look again.
redis.call('ZADD', DUE, opened, id)
return touch(u, ARGV[5])
