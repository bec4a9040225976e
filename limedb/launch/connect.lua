-- Of calls in the Connect protocol: the bridge needs the version and a bare type, which clients may leave out. Errors of
-- Envoy's own don't go through the bridge, so a mark lets them have that protocol's form.

-- Returns whether the body was cut (large_bodies.lua); where it may be, this waits for all of it.
local function is_too_large(handle)
  if not (handle:streamInfo():dynamicMetadata():get("limedb") or {})["may-be-too-large"] then return false end
  handle:body()
  return handle:streamInfo():dynamicMetadata():get("limedb")["too-large"]
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local given = headers:get("content-type") or ""
  local bare = given:match("^[^;%s]*")
  local form = bare:match("^application/(.*)$")
  form = form and form:gsub("^connect%+", "")
  if not headers:get(":path"):find("^/limedb%.v1%.") or form ~= "json" and form ~= "proto" then return end
  handle:streamInfo():dynamicMetadata():set("limedb", "form", "connect")
  if is_too_large(handle) then return handle:respond({[":status"] = "413"}, "") end
  headers = handle:headers()
  if bare ~= given then headers:replace("content-type", bare) end
  local version, timeout = headers:get("connect-protocol-version"), headers:get("connect-timeout-ms")
  if not version then headers:replace("connect-protocol-version", "1") end
  -- The bridge passes over wrong values of these, and a node doesn't know them.
  if version and version ~= "1" then
    return handle:respond({[":status"] = "400"}, "connect-protocol-version: must be 1")
  elseif timeout and (not timeout:find("^%d+$") or #timeout > 10) then
    return handle:respond({[":status"] = "400"},
      "connect-timeout-ms: must be a whole number of ten digits at most")
  end
  for _, name in ipairs({"content-encoding", "connect-content-encoding"}) do
    local coding = headers:get(name)
    if coding == "identity" then
      headers:remove(name)
    elseif coding and coding ~= "gzip" then
      return handle:respond({[":status"] = "501", ["accept-encoding"] = "gzip"},
        name .. ": must be gzip or identity")
    end
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(":status") ~= "200" then headers:replace("content-type", "application/json") end
end
