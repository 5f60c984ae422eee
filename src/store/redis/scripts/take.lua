-- Take a place in every quota or in none. Returns for each: 1 and the new arrival time; or 0 and how long until there is a place.
local standings, taken = {}, {}
local full = false
for key, tat, period, spacing in each_place() do
    local ahead = math.max(tat, now) + spacing - now
    if ahead > period then
        full = true
        standings[#standings + 1] = { 0, ahead - period }
    else
        taken[#taken + 1] = { key, now + ahead }
        standings[#standings + 1] = { 1, now + ahead }
    end
end
if not full then
    for _, place in ipairs(taken) do keep(place[1], place[2]) end
end
return standings
