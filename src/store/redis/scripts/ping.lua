-- Write something that does not matter: whoever cannot write here cannot do anything that lasts.
check_in()
return redis.call('SET', P .. 'p', '', 'PX', 1)
