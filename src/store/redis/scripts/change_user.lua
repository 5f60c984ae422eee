-- Change the user ARGV[1] at the time ARGV[2] as ARGV[3] says, with what follows. Returns the record.
check_in()
local now, change = ARGV[2], ARGV[3]
local u = find_user(ARGV[1])
if not u then return false end
if change == 'rehash' then
    if u.hash ~= ARGV[4] then return false end
    u.hash = ARGV[5]
    return keep_user(u)
elseif change == 'password' then
    local keep = nil
    if ARGV[5] ~= '' then
        keep = find_session(ARGV[5])
        if not keep or keep.user ~= u.id then return false end
    end
    u.hash, u.version = ARGV[4], u.version + 1
    end_sessions(u, ARGV[5])
    if keep then
        keep.generation, keep.rotated = keep.generation + 1, tonumber(now)
        keep_session(keep)
    end
elseif change == 'roles' then
    u.roles = ARGV[4]
elseif change == 'enable' then
    u.enabled = 1
else
    if change == 'disable' then u.enabled = 0 end
    u.version = u.version + 1
    end_sessions(u, '')
end
return touch(u, now)
