-- Add the signing key ARGV[1] with the record ARGV[2] at the time ARGV[3]. With ARGV[4] = '1', only if there is no other of
-- its purpose and algorithm, ARGV[5], with which the record begins. Returns whether it was added.
check_in()
if ARGV[4] == '1' then
    for _, record in ipairs(redis.call('HVALS', SIGNERS)) do
        if string.sub(record, 1, #ARGV[5]) == ARGV[5] then return 0 end
    end
end
if redis.call('HSETNX', SIGNERS, ARGV[1], ARGV[2]) == 0 then return 0 end
tell('k', '', 0, ARGV[3])
return 1
