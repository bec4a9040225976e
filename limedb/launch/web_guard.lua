-- Refuses what pages in browsers could otherwise do with the rights of those who look at them.
-- The template puts two tables before all this: `server_names` and `origins`, each a set.
--
-- Why it is enough. A page of another site can make a browser send requests, but not leave out what marks them:
-- each POST and DELETE has an Origin, and so has each request whose answer the page could read; where the address
-- is HTTPS or the machine itself, all have Sec-Fetch-Site. A page can't set these, nor Host. A name that leads
-- here by DNS rebinding makes the page's origin ours, but stands in Host, and only a name can do that: an
-- attacker's page that has our IP address as its origin was loaded from us.
local function safe(text)
  return (text:sub(1, 64):gsub("[^ -~]", "?"))
end

-- Answers with a refusal. mark: its reason, where its status has several. The answer to a call has the form of the
-- call's protocol.
local function refuse(handle, status, why, mark)
  local headers, marks = handle:headers(), handle:streamInfo():dynamicMetadata()
  local kind, path = (headers:get("content-type") or ""):lower(), headers:get(":path")
  local answer = {[":status"] = status}
  if mark then marks:set("limedb", "reply", mark) end
  if kind:find("^application/grpc") then
    marks:set("limedb", "content-type", kind)
    if kind:find("^application/grpc%-web") then -- the filter that would add these comes later
      answer["grpc-status"], answer["grpc-message"] = status == "403" and "7" or "3", (why:gsub("%%", "%%%%25"))
    end
  elseif path:find("^/limedb%.") then
    marks:set("limedb", "form", "connect")
  elseif handle:streamInfo():protocol() == "HTTP/2" and (path:find("^/api/") or path:find("^/gossip")) then
    handle:body() -- first all of it: an older curl drops an answer that comes while it sends
  end
  handle:respond(answer, why)
end

-- Returns whether Envoy has the name or address of Host.
local function is_served(authority)
  local host = authority:lower():gsub(":%d*$", ""):gsub("%.$", "")
  return server_names[host] or host:find("^%d+%.%d+%.%d+%.%d+$") or host:find("^%[[%w:.%%]+%]$")
end

-- Returns whether a page of this origin may call. A proxy in front may have taken TLS off: only the scheme may differ.
local function may_call(origin, authority)
  return origins[origin] or origin:match("^https?://(.*)$") == authority:lower()
end

-- Returns whether a link on another site may lead here: to the dashboard, not to data, and not in a frame.
local function is_visit(headers)
  local path = headers:get(":path"):match("^[^?]*")
  return headers:get("sec-fetch-dest") == "document" and headers:get(":method") == "GET"
    and (path == "/" or path:find("^/dashboard/"))
end

-- Content types that no form, and no page without asking first, can send.
local function is_for_programs(kind)
  return kind == "application/json" or kind == "application/proto" or kind == "application/grpc"
    or kind:find("^application/grpc[+-]") or kind:find("^application/connect%+")
end

local function is_from_page(headers)
  return headers:get("origin") or headers:get("sec-fetch-site")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local authority = headers:get(":authority") or ""
  if not is_served(authority) then
    return refuse(handle, "403", ("Host=%s: Envoy has no such name; if it is to have it, give it the option"
      .. " --server-name"):format(safe(authority)), "unknown-host")
  end
  local origin, site = headers:get("origin"), headers:get("sec-fetch-site")
  if origin then
    if not may_call(origin, authority) then
      return refuse(handle, "403", ("Origin=%s: pages of other origins may not call; if this one may, give Envoy"
        .. " the option --origin"):format(safe(origin)), "foreign-origin")
    end
  elseif site and site ~= "same-origin" and site ~= "none" and not is_visit(headers) then
    return refuse(handle, "403", ("Sec-Fetch-Site=%s: other sites may only link to the dashboard"):format(safe(site)),
      "foreign-origin")
  end
  if headers:get(":method") ~= "POST" then return end
  local given = headers:get("content-type") or ""
  local kind = given:lower():match("^%s*([^;%s]*)")
  if is_for_programs(kind) then return end
  -- curl -d sends a form's type and other programs none at all: where no page is involved, that is harmless. Of
  -- calls, the routes say which types they have.
  local is_usual = kind == "" or kind == "application/x-www-form-urlencoded" or headers:get(":path"):find("^/limedb%.")
  if is_usual and not is_from_page(headers) then return end
  refuse(handle, "415", ("content-type=%s: it must be application/json (curl: -H 'content-type: application/json')")
    :format(safe(given)))
end
