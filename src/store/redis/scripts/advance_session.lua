-- Bring the session ARGV[1] from the generation ARGV[2] to the next, at the time ARGV[3]. Returns its record.
check_in()
local s = find_session(ARGV[1])
if not s or digits(s.generation) ~= ARGV[2] then return false end
s.generation, s.rotated = s.generation + 1, tonumber(ARGV[3])
return keep_session(s)
