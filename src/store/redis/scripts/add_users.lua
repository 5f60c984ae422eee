-- Add users, each given as id, email, record and time. Returns the places, from 0, of those whose email is taken.
check_in()
local taken = {}
for i = 1, #ARGV, 4 do
    local id, email = ARGV[i], ARGV[i + 1]
    -- Emails hold no control characters: `email \0 id` sorts as the email does, and `email \1` stands right behind it.
    if #redis.call('ZRANGEBYLEX', EMAILS, '[' .. email .. '\0', '(' .. email .. '\1', 'LIMIT', 0, 1) > 0 then
        taken[#taken + 1] = (i - 1) / 4
    else
        redis.call('SET', P .. 'u:' .. id, ARGV[i + 2])
        redis.call('ZADD', EMAILS, 0, email .. '\0' .. id)
        tell('u', id, 1, ARGV[i + 3])
    end
end
return taken
