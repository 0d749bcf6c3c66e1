-- What wrk sends, and what it prints at the end.
-- Arguments: the field that differs in every request, or "nothing"; a caller's secret, if there is one.

local function hex(digits)
  local text = ""
  for _ = 1, digits / 4 do
    text = text .. string.format("%04x", math.random(0, 0xffff))
  end
  return text
end

-- What stands before and after the eight digits that count.
local values = {
  ["traceparent"] = { "00-" .. hex(32) .. "-" .. hex(8), "-01" },
  ["x-request-id"] = { "request-", "" },
}

function init(arguments)
  wrk.headers["Metadata"] = "true"
  wrk.headers["Accept"] = "application/json"
  wrk.headers["User-Agent"] = "bench"
  if arguments[2] then
    wrk.headers["Authorization"] = "Bearer " .. arguments[2]
  end
  local value = values[arguments[1]]
  if value then
    wrk.headers[arguments[1]] = "@"
    local before, after = wrk.format():match("^(.*)@(.*)$")
    before, after = before .. value[1], value[2] .. after
    local count = 0
    function request() -- global: wrk looks for it by this name
      count = count + 1
      return before .. string.format("%08x", count) .. after
    end
  end
end

function done(summary, _, _)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.timeout + e.status
  local form = '\n{"requests": %d, "seconds": %f, "errors": %d}\n'
  io.write(form:format(summary.requests, summary.duration / 1e6, errors))
end
