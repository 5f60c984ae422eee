-- Ids and records of the ARGV[2] users after the email ARGV[1], in the order of their emails.
local from = ARGV[1] == '' and '-' or '[' .. ARGV[1] .. '\1'
local page = {}
for _, found in ipairs(redis.call('ZRANGEBYLEX', EMAILS, from, '+', 'LIMIT', 0, ARGV[2])) do
    local id = string.sub(found, (string.find(found, '%z')) + 1)
    page[#page + 1] = { id, redis.call('GET', P .. 'u:' .. id) }
end
return page
