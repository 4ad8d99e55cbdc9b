-- SPDX-License-Identifier: Apache-2.0
-- Retrievals of random accounts by several sessions. BENCH_WORK names a file: one line per session, the token and
-- then the ids of its accounts. BENCH_KIND: retrieve, write or login; BENCH_LOGIN a file of bodies of logins.
local work, kind = {}, os.getenv("BENCH_KIND") or "retrieve"
for line in io.lines(os.getenv("BENCH_WORK")) do
	local token, ids = nil, {}
	for word in line:gmatch("%S+") do
		if token then ids[#ids + 1] = word else token = word end
	end
	work[#work + 1] = { token = token, ids = ids }
end

local logins = {}
if kind == "login" then
	for line in io.lines(os.getenv("BENCH_LOGIN")) do logins[#logins + 1] = line end
end

local threads = 0
function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

local n = 0
function init(args)
	math.randomseed(os.time() * 7 + number * 7919)
end

local function post(path, token, body)
	local headers = { ["Content-Type"] = "application/json" }
	if token then headers["Authorization"] = "Bearer " .. token end
	return wrk.format("POST", path, headers, body)
end

function request()
	local s = work[math.random(#work)]
	n = n + 1
	if kind == "login" then
		return post("/v1/session", nil, logins[math.random(#logins)])
	end
	local id = s.ids[math.random(#s.ids)]
	if kind == "write" then
		return post("/v1/accounts/" .. id .. "/versions", s.token, '{"fields":{"password":"bench-' .. number .. "-" .. n .. '"}}')
	end
	return post("/v1/accounts/" .. id .. "/retrieve", s.token, '{"reason":"bench ' .. number .. "-" .. n .. '"}')
end

local bad = {}
function response(status, headers, body)
	if status >= 300 and not bad[status] then
		bad[status] = true
		io.stderr:write(string.format("answer %d: %s\n", status, body:sub(1, 200)))
	end
end

function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("RESULT %d %.6f %.3f %.3f %d\n", summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
		latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
