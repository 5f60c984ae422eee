-- Stands before every script. All keys share one hash tag, so they live in one slot of a cluster. The key that is passed
-- leads there; the others, whose names are partly known only here, are built from it.
local P = string.sub(KEYS[1], 1, -2)
local META, FEED, EMAILS, DUE, SIGNERS = P .. 'm', P .. 'f', P .. 'e', P .. 'd', P .. 'k'
local VERSION = 1

-- Numbers are doubles here: whole ones are exact up to 2^53, and Rust sends none that is larger.
local function digits(number) return string.format('%.0f', number) end

local function fail(text) error(redis.error_reply(text)) end

-- Before anything is written: this is still the store that was opened.
local function check_in()
    if redis.call('HGET', META, 'v') ~= digits(VERSION) then fail('STALE the store is not the one that was opened') end
end

local function tell(kind, user, epoch, at)
    redis.call('XADD', FEED, 'MAXLEN', '~', 100000, '*', 'k', kind, 'u', user, 'e', digits(epoch), 'a', at)
end

local function unpacked(form, raw, what)
    local parts = { pcall(struct.unpack, form, raw) }
    if not parts[1] then fail('CORRUPT ' .. what) end
    return unpack(parts, 2)
end

-- Users. `sessions` holds the open ones, oldest first: 16 bytes of id and 8 of when it was opened.
local USER = '>BI8I8I8I4c0I4c0I4c0I4c0'

local function find_user(id)
    local raw = redis.call('GET', P .. 'u:' .. id)
    if not raw then return nil end
    local u = { id = id }
    u.enabled, u.version, u.epoch, u.created, u.email, u.hash, u.roles, u.sessions = unpacked(USER, raw, 'a user')
    if #u.sessions % 24 ~= 0 then fail('CORRUPT a user') end
    return u
end

local function keep_user(u)
    local raw = struct.pack(USER, u.enabled, u.version, u.epoch, u.created, #u.email, u.email, #u.hash, u.hash,
        #u.roles, u.roles, #u.sessions, u.sessions)
    redis.call('SET', P .. 'u:' .. u.id, raw)
    return raw
end

-- The user has changed: raise the epoch, and tell. Returns the record.
local function touch(u, at)
    u.epoch = u.epoch + 1
    local raw = keep_user(u)
    tell('u', u.id, u.epoch, at)
    return raw
end

-- Sessions: `s:` and their id.
local SESSION = '>c16I8I8I8Bc0I4c0'

local function find_session(id)
    local raw = redis.call('GET', P .. 's:' .. id)
    if not raw then return nil end
    local s = { id = id }
    s.user, s.generation, s.rotated, s.opened, s.ip, s.agent = unpacked(SESSION, raw, 'a session')
    return s
end

local function keep_session(s)
    local raw = struct.pack(SESSION, s.user, s.generation, s.rotated, s.opened, #s.ip, s.ip, #s.agent, s.agent)
    redis.call('SET', P .. 's:' .. s.id, raw)
    return raw
end

local function forget_session(id)
    redis.call('DEL', P .. 's:' .. id)
    redis.call('ZREM', DUE, id)
end

-- A user's open sessions, one by one: place in the list, id, when it was opened.
local function each_session(u)
    local place = -23
    return function()
        place = place + 24
        if place + 23 > #u.sessions then return nil end
        local id, opened = struct.unpack('>c16I8', u.sessions, place)
        return place, id, opened
    end
end

-- Take a session out of its user's list. Whether it was there.
local function strike(u, id)
    for place, found in each_session(u) do
        if found == id then
            u.sessions = string.sub(u.sessions, 1, place - 1) .. string.sub(u.sessions, place + 24)
            return true
        end
    end
    return false
end

local function end_sessions(u, but)
    local kept = ''
    for place, id in each_session(u) do
        if id == but then kept = string.sub(u.sessions, place, place + 23) else forget_session(id) end
    end
    u.sessions = kept
end
