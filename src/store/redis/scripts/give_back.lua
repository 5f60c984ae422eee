-- Hand back a place in every quota.
for key, tat, _, spacing in each_place() do
    keep(key, math.max(tat - spacing, math.min(now, tat)))
end
return redis.status_reply('OK')
