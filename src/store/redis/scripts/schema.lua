-- Know the store, or found it with the identity ARGV[1], if that is not empty. Returns its identity.
if not redis.REDIS_VERSION_NUM then return redis.error_reply('UNFIT a store needs Redis 7 or later, or Valkey') end
local kind = redis.call('TYPE', META).ok
if kind == 'none' then
    if redis.call('EXISTS', FEED, EMAILS, DUE, SIGNERS) > 0 then fail('FOREIGN there are keys without a version') end
    if ARGV[1] == '' then fail('FOREIGN there is no store') end
    redis.call('HSET', META, 'v', digits(VERSION), 'id', ARGV[1])
    -- So that the feed's end is an entry from the beginning.
    redis.call('XADD', FEED, '*', 'k', 's')
    return ARGV[1]
end
if kind ~= 'hash' then fail('FOREIGN this is no store of ours') end
local found = redis.call('HMGET', META, 'v', 'id')
local version = tonumber(found[1] or '')
if not version or not found[2] then fail('FOREIGN this is no store of ours') end
if version > VERSION then fail('NEWER the store is of version ' .. digits(version) .. ', newer than this program\'s') end
return found[2]
