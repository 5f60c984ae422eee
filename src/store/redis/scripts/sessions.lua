-- Ids and records of the sessions of the user ARGV[1], oldest first.
local u, open = find_user(ARGV[1]), {}
if u then
    for _, id in each_session(u) do
        open[#open + 1] = { id, redis.call('GET', P .. 's:' .. id) }
    end
end
return open
