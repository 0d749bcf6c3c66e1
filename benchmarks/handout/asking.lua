-- What wrk sends, and what it prints at the end.
-- Arguments: what differs from request to request, a key of `differing`; a caller's secret, if there is one.

-- Fields by what differs; eight digits that count stand for `@`.
local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa@-01"
local differing = {
  ["nothing"] = {},
  ["three fields"] = { ["X-Request-ID"] = "request-@", ["traceparent"] = trace, ["User-Agent"] = "bench/@" },
  -- A field that aiohttp judges, so that the broker leaves the head to it.
  ["in full"] = { ["ETag"] = "x" },
}

function init(arguments)
  wrk.headers["Metadata"] = "true"
  wrk.headers["Accept"] = "application/json"
  wrk.headers["User-Agent"] = "bench"
  if arguments[2] then
    wrk.headers["Authorization"] = "Bearer " .. arguments[2]
  end
  for name, value in pairs(differing[arguments[1]]) do
    wrk.headers[name] = value
  end
  local parts = {}
  for part in (wrk.format() .. "@"):gmatch("([^@]*)@") do
    parts[#parts + 1] = part
  end
  if #parts > 1 then
    local count = 0
    function request() -- global: wrk looks for it by this name
      count = count + 1
      return table.concat(parts, string.format("%08x", count))
    end
  end
end

function done(summary, _, _)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.timeout + e.status
  local form = '\n{"requests": %d, "seconds": %f, "errors": %d}\n'
  io.write(form:format(summary.requests, summary.duration / 1e6, errors))
end
