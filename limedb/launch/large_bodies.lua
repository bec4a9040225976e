-- Reads a body of HTTP/2 that is too large to its end, so that its refusal arrives: an older curl drops an answer that comes
-- while it sends. What is beyond the limit is dropped here, and the mark `too-large` makes `rest_requests.lua` and
-- `connect.lua` refuse what is left; so a request may only be cut where one of them runs.
-- The template puts before all this: `most`, the bytes that a body may have, and `dropped`, how many are read at most.

-- Returns whether it is a request of REST, or a call of Connect that isn't a stream.
local function has_refusal(path, kind)
  if path:find("^/grpc%.") then return false end
  return not path:find("^/limedb%.") and not kind:find("^application/grpc") or kind:find("^application/json")
    or kind:find("^application/proto")
end

local function mark(handle, name)
  handle:streamInfo():dynamicMetadata():set("limedb", name, "1")
end

function envoy_on_request(handle)
  if handle:streamInfo():protocol() ~= "HTTP/2" then return end
  local headers = handle:headers()
  if not has_refusal(headers:get(":path"), (headers:get("content-type") or ""):lower()) then return end
  local length, read = tonumber(headers:get("content-length") or ""), 0
  if length and (length <= most or length > dropped) then return end
  mark(handle, "may-be-too-large")
  for chunk in handle:bodyChunks() do
    read = read + chunk:length()
    if read > most then mark(handle, "too-large") end
    if read > most and read <= dropped then chunk:setBytes("") end -- what is beyond that, the buffer refuses at once
  end
end
