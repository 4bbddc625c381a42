-- Take all or none of several limits in one call, on Redis's own clock.
-- KEYS: one counter each.  ARGV: verb, seat, seat ttl (ms), then for each key: kind, most, window (ms), amount.
-- Answers for `take`: {index refused (0 = none), wait ms (-1 = never or unknown), then remaining, reset ms for each}.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local verb, seat, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function want(i)
  local at = 4 + (i - 1) * 4
  return ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
end

local function arrival_of(key)
  return math.max(tonumber(redis.call('GET', key) or now), now)
end

local function keep_arrival(key, arrival)
  if arrival <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.3f', arrival), 'PX', math.ceil(arrival - now) + 1)
  end
end

if verb == 'leave' then
  for i = 1, #KEYS do redis.call('ZREM', KEYS[i], seat) end
  return {}
end

if verb == 'keep' then
  for i = 1, #KEYS do
    if redis.call('ZSCORE', KEYS[i], seat) then
      redis.call('ZADD', KEYS[i], now + ttl, seat)
      redis.call('PEXPIRE', KEYS[i], math.ceil(ttl) + 1000)
    end
  end
  return {}
end

if verb == 'adjust' then
  for i = 1, #KEYS do
    local _, most, window, amount = want(i)
    keep_arrival(KEYS[i], math.max(now, arrival_of(KEYS[i]) + amount * window / most))
  end
  return {}
end

local refused, wait, before, after = 0, -1, {}, {}
for i = 1, #KEYS do
  local kind, most, window, amount = want(i)
  if kind == 'seats' then
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
    local left = most - redis.call('ZCARD', KEYS[i])
    before[i], after[i] = {left, 0}, {left - amount, 0}
    if left < amount and refused == 0 then refused = i end
  else
    local interval = window / most
    local was = arrival_of(KEYS[i])
    local arrival = was + amount * interval
    local over = arrival - now - window
    before[i] = {math.floor((window - (was - now)) / interval + 1e-6), was - now}
    after[i] = {math.floor(-over / interval + 1e-6), arrival - now}
    if over > 1e-6 and refused == 0 then
      refused = i
      if amount <= most then wait = over end
    end
  end
end

local answer = {refused, tostring(wait)}
for i = 1, #KEYS do
  local level = refused > 0 and before[i] or after[i]
  answer[#answer + 1] = math.max(0, level[1])
  answer[#answer + 1] = tostring(math.max(0, level[2]))
end
if refused > 0 then return answer end
for i = 1, #KEYS do
  local kind = want(i)
  if kind == 'seats' then
    redis.call('ZADD', KEYS[i], now + ttl, seat)
    redis.call('PEXPIRE', KEYS[i], math.ceil(ttl) + 1000)
  else
    keep_arrival(KEYS[i], now + after[i][2])
  end
end
return answer
