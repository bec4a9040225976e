-- Refuses a request of REST that doesn't say what it is to be, in one line that names the field.
-- The template puts before all this: `requests`, by path up to its key, what it takes; `streams`, a set of such paths;
-- `fields`, for each message its fields' facts by name; `enums`, the names that each has, first that of zero; and
-- `unknown_path`, the text for a path that isn't among them.
local query_bools = {
  ["true"] = true, t = true, yes = true, y = true, ["1"] = true,
  ["false"] = true, f = true, no = true, n = true, ["0"] = true,
}

local function decoded(text, plus)
  text = plus and text:gsub("+", " ") or text
  return (text:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

local function may_be_in_query(field, word)
  local kind = field.kind
  if kind == "text" then return is_utf8(word) end
  if kind == "bytes" then return is_base64(word, 1, #word) end
  if kind == "bool" then return query_bools[word:lower()] end
  if kind == "true" then return word == "true" end
  if kind == "enum" then return is_value_of(field.enum, word) end
  return kind == "whole" and word:find("^%-?%d+$") and may_be_whole(field, word)
end

-- Returns a condition as a parameter of the query, as the transcoder reads it.
local function as_parameter(part, value)
  return ("condition.%s=%s"):format(part, value:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Refuses parameters that the request doesn't have, or whose values it can't have. One that it doesn't have is ignored
-- on some paths, but not what might be a condition: without it, the write would be carried out. Returns the query as the
-- transcoder reads it, and the parameter that it reads instead of a condition's short name.
local function check_query(query, request, seen)
  local condition
  local parts, has_level = {}, false
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    name, value = decoded(name, true), decoded(value, true)
    local field = fields[request.message][name]
    local level = field and field.kind == "enum" and whole_name(field.enum, value)
    parts[#parts + 1] = level and name .. "=" .. level or part
    if level then
      has_level = true
      note(seen, field, request.message)
    elseif field then
      note(seen, field, request.message)
      choose(seen, field, request.message)
      if field.kind == "text" and not is_utf8(value) then refuse(field.name .. ": must be UTF-8, percent-encoded") end
      if not may_be_in_query(field, value) then refuse_value(field, nil, safe(value)) end
      if field.part then condition = as_parameter(field.part, field.gives or value) end
    elseif name ~= "node" and (not request.ignores_unknown or name:lower():find("^if") or name:find("^condition")) then
      refuse(("unknown parameter %s in the query; this path takes %s"):format(safe(name), request.takes))
    end
  end
  return has_level and table.concat(parts, "&") or query, condition
end

-- Returns the condition that HTTP's own headers name, as a parameter. matches, differs: If-Match and If-None-Match.
local function header_condition(request, seen, matches, differs)
  if not matches and not differs then return nil end
  local name = matches and "If-Match" or "If-None-Match"
  if request.message ~= "limedb.v1.SetRequest" and request.message ~= "limedb.v1.DeleteRequest" then
    refuse(name .. ": of the writes, only set and del take it")
  end
  if matches and differs then refuse("If-Match and If-None-Match: give one of them") end
  choose(seen, {name = name, oneof = "condition"}, request.message)
  if matches == "*" then return as_parameter("exists", "true") end
  if differs == "*" then return as_parameter("exists", "false") end
  local version = matches and matches:match('^"(%d+)"$')
  if version and is_whole(version, "18446744073709551615") then return as_parameter("version", version) end
  refuse(("%s=%s: must be %s"):format(name, safe(matches or differs), matches and 'an ETag as get has it, such as "7", or *' or "*"))
end

-- Refuses a body that is not plain UTF-8.
local function check_encoding(content_type, coding)
  if coding and coding:lower() ~= "identity" then
    refuse(("content-encoding=%s: send the body as it is"):format(safe(coding)), "415")
  end
  local charset = (content_type or ""):lower():match(';%s*charset%s*=%s*"?([^";%s]*)')
  if charset and charset ~= "utf-8" and charset ~= "utf8" and charset ~= "us-ascii" then
    refuse(("charset=%s: send JSON in UTF-8"):format(safe(charset)), "415")
  end
end

-- Returns what is to take the place of the body, if anything is, that of the query, and a parameter to add to it.
local function check(request, path, query, body, content_type, coding, matches, differs)
  local seen = {}
  depth = 0
  if body then check_encoding(content_type, coding) end
  if not is_utf8(decoded(path)) then refuse("the key in the path must be UTF-8, percent-encoded") end
  local condition = header_condition(request, seen, matches, differs)
  local whole, named = check_query(query, request, seen)
  condition = named or condition
  if request.has_body and body then
    return check_body(body, request.message, seen), whole, condition
  elseif body and not body:find("^%s*$") and not body:find("^%s*{%s*}%s*$") then
    refuse("this path takes no body: put its fields into the query")
  elseif request.has_body and request.needs_body then
    refuse("the body is empty: send a JSON object; " .. fields_of(request.message))
  end
  return nil, whole, condition
end

-- Returns what a path takes, and the path up to its key. A slash may follow a path, and the key be missing, as far as
-- the transcoder takes that: it gets nothing that was not checked.
local function request_of(path)
  local bare = path:match("^(.-)/?$")
  for _, start in ipairs({path, path:match("^/api/v1/%l+/") or path, bare, bare .. "/"}) do
    if requests[start] then return requests[start], start end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path, query = headers:get(":path"):match("^([^?]*)%??(.*)$")
  if not path:find("^/api/") and not path:find("^/gossip") then return end -- the dashboard
  local request, start = request_of(path)
  if not request then return handle:respond({[":status"] = "404"}, unknown_path) end
  local content_type, coding = headers:get("content-type"), headers:get("content-encoding")
  local matches, differs = headers:get("if-match"), headers:get("if-none-match")
  local marks = handle:streamInfo():dynamicMetadata()
  if headers:get(":method") == "GET" then
    if differs then marks:set("limedb", "if-none-match", differs) end
    matches, differs = nil, nil
  end
  local body = handle:body() -- this waits for it, and the headers are gone then
  marks = handle:streamInfo():dynamicMetadata()
  if (marks:get("limedb") or {})["too-large"] then return handle:respond({[":status"] = "413"}, "Payload Too Large") end
  local content = body and body:length() > 0 and body:getBytes(0, body:length()) or nil
  local is_right, new, whole, condition = pcall(check, request, path, query, content, content_type, coding, matches, differs)
  if is_right then
    if streams[start] and (marks:get("limedb") or {}).head then -- its end may never come
      return handle:respond({[":status"] = "200", ["content-type"] = "application/json"}, "")
    end
    if new then body:setBytes(new) end
    if condition or whole ~= query then
      whole = whole .. (condition and (whole ~= "" and "&" or "") .. condition or "")
      handle:headers():replace(":path", path .. "?" .. whole)
    end
    return
  end
  if type(new) ~= "table" then error(new, 0) end
  handle:respond({[":status"] = new.status}, new.why)
end
