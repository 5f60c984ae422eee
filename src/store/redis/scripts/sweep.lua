-- Forget what was last rotated before ARGV[1] or opened before ARGV[2]. Looks at no more than ARGV[4] of the sessions whose
-- time has come at ARGV[3]. Returns how many it looked at, and how many went.
--
-- Nothing is written here when a session rotates: when its time has come, it may turn out to have been put off.
check_in()
local idle_before, opened_before, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local idle, absolute, day = now - idle_before, now - opened_before, 86400000
local due, gone = redis.call('ZRANGEBYSCORE', DUE, '-inf', ARGV[3], 'LIMIT', 0, ARGV[4]), 0
for _, id in ipairs(due) do
    local s = find_session(id)
    if s and s.rotated >= idle_before and s.opened >= opened_before then
        -- Limits may be made shorter meanwhile: then within a day.
        redis.call('ZADD', DUE, digits(math.min(s.rotated + idle, s.opened + absolute, now + day) + 1), id)
    else
        local u = s and find_user(s.user)
        forget_session(id)
        -- Tokens of a session that is past its limits are past theirs: nobody needs to hear of it.
        if u and strike(u, id) then keep_user(u) end
        gone = gone + 1
    end
end
local hour_ago = now - 3600000
if hour_ago > 0 then redis.call('XTRIM', FEED, 'MINID', '~', digits(hour_ago)) end
return { #due, gone }
