-- Stands before the scripts of shared counters: the arithmetic of gate/limit.rs in microseconds. ARGV: the time, by how much
-- clocks may differ, and for each place the counter, the quota's period, and the time in which one place returns.
check_in()
local now, skew = tonumber(ARGV[1]), tonumber(ARGV[2])

local function each_place()
    local i = 0
    return function()
        i = i + 3
        if not ARGV[i] then return nil end
        local key, period = P .. 'c:' .. ARGV[i], tonumber(ARGV[i + 1])
        local tat = tonumber(redis.call('GET', key) or '0')
        if not tat or tat > now + period + skew then tat = 0 end
        return key, tat, period, tonumber(ARGV[i + 2])
    end
end

-- A counter whose time has passed on every gateway's clock says what no counter says.
local function keep(key, tat)
    if tat > 0 then
        redis.call('SET', key, digits(tat), 'PX', digits(math.ceil((math.max(tat - now, 0) + skew) / 1000)))
    end
end
