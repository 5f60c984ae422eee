-- Take a place in every quota or in none. Returns for each: whether there is one, and when it is, the new arrival time, the
-- places left, and when all are free; else when there will be one, and when all will be free.
local standings, taken = {}, {}
local full = false
for key, tat, period, spacing, count in each_place() do
    local busy_from = math.max(tat, now)
    local ahead = busy_from + spacing - now
    if ahead > period then
        full = true
        standings[#standings + 1] = { 0, ahead - period, busy_from - now }
    else
        local left = math.min(math.floor((period - ahead) / spacing), count - 1)
        taken[#taken + 1] = { key, now + ahead }
        standings[#standings + 1] = { 1, now + ahead, left, ahead }
    end
end
if not full then
    for _, place in ipairs(taken) do keep(place[1], place[2]) end
end
return standings
