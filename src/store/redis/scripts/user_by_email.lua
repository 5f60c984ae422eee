-- The id and the record of the user with the email ARGV[1].
local email = ARGV[1]
local found = redis.call('ZRANGEBYLEX', EMAILS, '[' .. email .. '\0', '(' .. email .. '\1', 'LIMIT', 0, 1)[1]
if not found then return false end
local id = string.sub(found, #email + 2)
return { id, redis.call('GET', P .. 'u:' .. id) }
