-- Refuses a request of REST that doesn't say what it is to be, in one line that names the field.
-- The template puts three tables before all this: `requests`, by path up to its key, what it takes; `fields`, for each
-- message its fields' facts by name; and `enums`, the names that each has, first that of zero.
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
  if kind == "enum" then return is_value_of(field.enum, word) end
  return kind == "whole" and word:find("^%d+$") and is_whole(word, field.most)
end

-- Refuses parameters that the request doesn't have, or whose values it can't have.
local function check_query(query, request, seen)
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    name, value = decoded(name, true), decoded(value, true)
    local field = fields[request.message][name]
    if field then
      note(seen, field, request.message)
      choose(seen, field, request.message)
      if field.kind == "text" and not is_utf8(value) then refuse(field.name .. ": must be UTF-8, percent-encoded") end
      if not may_be_in_query(field, value) then refuse_value(field, nil, safe(value)) end
    elseif name ~= "node" and not request.ignores_unknown then
      refuse(("unknown parameter %s in the query; this path takes %s"):format(safe(name), request.takes))
    end
  end
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

local function check(request, path, query, body, content_type, coding)
  local seen = {}
  depth = 0
  if body then check_encoding(content_type, coding) end
  if not is_utf8(decoded(path)) then refuse("the key in the path must be UTF-8, percent-encoded") end
  check_query(query, request, seen)
  if request.has_body and body then
    check_body(body, request.message, seen)
  elseif body and not body:find("^%s*$") and not body:find("^%s*{%s*}%s*$") then
    refuse("this path takes no body: put its fields into the query")
  elseif request.has_body and request.needs_body then
    refuse("the body is empty: send a JSON object; " .. fields_of(request.message))
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path, query = headers:get(":path"):match("^([^?]*)%??(.*)$")
  local request = requests[path] or requests[path:match("^/api/v1/%l+/") or ""]
  if not request then return end
  local content_type, coding = headers:get("content-type"), headers:get("content-encoding")
  local body = handle:body() -- this waits for it, and the headers are gone then
  local content = body and body:length() > 0 and body:getBytes(0, body:length()) or nil
  local is_right, refusal = pcall(check, request, path, query, content, content_type, coding)
  if is_right then return end
  if type(refusal) ~= "table" then error(refusal, 0) end
  handle:respond({[":status"] = refusal.status}, refusal.why)
end
