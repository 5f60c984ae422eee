-- Remove the signing key ARGV[1] at the time ARGV[2]. Returns whether it was there.
check_in()
if redis.call('HDEL', SIGNERS, ARGV[1]) == 0 then return 0 end
tell('k', '', 0, ARGV[2])
return 1
