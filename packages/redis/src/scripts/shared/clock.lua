-- What every script begins with: its keys, and the server's time (within a script it stands still).
-- ARGV 1 is the number of the call, 4 bytes: 'stamp', the first of each answer, is this number and the time 6.
-- 'read' and 'pack' are for numbers: '>' is big-endian, 'I7' takes seven bytes.
local hash, index, history = KEYS[1], KEYS[2], KEYS[3]
local call, sub, byte, read, pack = redis.call, string.sub, string.byte, struct.unpack, struct.pack
local time = call('TIME')
local us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(us / 1000)
local stamp = pack('>c4I6', ARGV[1], now)
