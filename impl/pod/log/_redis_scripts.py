"""What runs within a Redis server: each script whole, or not at all; `_redis` draws the keys."""

from __future__ import annotations

from typing import Final

__all__ = ["COMMIT", "CREATE", "RENEW", "UNDO"]

CREATE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'format', ARGV[2], 'generation', 1, 'entries', 0)
end
"""
RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""
UNDO: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[2])
return 1
"""
# ARGV: token, fields of the writer's hash, old generation, entries before, new generation, number of entries,
# (head, contents, body) of each, number of hashes to delete, their names, (name, fields one after the other) of those
# that stay in part.
COMMIT: Final = """
local prefix, state, lock, own = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('GET', lock) ~= ARGV[1] then return 'lost' end
if redis.call('HLEN', own) ~= tonumber(ARGV[2]) then return 'lost' end
if redis.call('HGET', state, 'generation') ~= ARGV[3] then return 'replaced' end
if redis.call('HGET', state, 'entries') ~= ARGV[4] and ARGV[3] == ARGV[5] then return 'replaced' end
local first, at = tonumber(ARGV[4]), 7
if ARGV[3] ~= ARGV[5] then
  first = 0
  for _, kind in ipairs({'heads:', 'contents:', 'bodies:'}) do redis.call('UNLINK', prefix .. kind .. ARGV[3]) end
end
for number = first, first + tonumber(ARGV[6]) - 1 do
  redis.call('RPUSH', prefix .. 'heads:' .. ARGV[5], ARGV[at])
  redis.call('RPUSH', prefix .. 'contents:' .. ARGV[5], ARGV[at + 1])
  redis.call('HSET', prefix .. 'bodies:' .. ARGV[5], number, ARGV[at + 2])
  at = at + 3
end
local hashes = tonumber(ARGV[at])
for one = at + 1, at + hashes do redis.call('UNLINK', prefix .. 'pieces:' .. ARGV[one]) end
for one = at + hashes + 1, #ARGV, 2 do
  local fields = ARGV[one + 1]
  for start = 1, #fields, 36 do
    redis.call('HDEL', prefix .. 'pieces:' .. ARGV[one], string.sub(fields, start, start + 35))
  end
end
redis.call('HSET', state, 'generation', ARGV[5], 'entries', first + tonumber(ARGV[6]))
redis.call('PERSIST', own)
redis.call('DEL', lock)
return 'done'
"""
