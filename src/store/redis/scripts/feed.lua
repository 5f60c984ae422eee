-- The store's identity, the feed's last id, how many entries stand at ARGV[1] (one, unless it was trimmed or never was), and
-- up to ARGV[2] entries behind it. Nothing, if there is no store.
local id = redis.call('HGET', META, 'id')
if not id then return false end
if redis.call('EXISTS', FEED) == 0 then return { id, '0-0', 0, {} } end
local last, info = '0-0', redis.call('XINFO', 'STREAM', FEED)
for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
end
local here = redis.call('XRANGE', FEED, ARGV[1], ARGV[1])
return { id, last, #here, redis.call('XRANGE', FEED, '(' .. ARGV[1], '+', 'COUNT', ARGV[2]) }
