-- Refuses a JSON body that doesn't say what its request is to be: one with a field that the request doesn't have
-- (the transcoder would drop it silently), with a field twice, with two of a choice, or that is no object; and, in
-- our own words, numbers and names of enums that the transcoder would refuse in its own.
-- The template puts three tables before this: `bodies`, the message of each path's body, `fields`, for each message
-- its fields' facts by name, and `enums`, the names that each has, first
-- that of zero. The transcoder refuses anything but JSON.
-- It reads byte by byte, which LuaJIT compiles: finding patterns would block the worker for far longer.
local byte, sub = string.byte, string.sub
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

local function safe(text)
  return (text:sub(1, 64):gsub("[^%w_.$+-]", "?"))
end

local function short(message)
  return message:match("%w+$")
end

-- Returns the end of the string that begins after `at`: the place of its last quote.
local function string_end(text, at, size)
  while at <= size do
    local c = byte(text, at)
    if c == QUOTE then return at end
    at = at + (c == BACKSLASH and 2 or 1)
  end
  return size
end

-- Returns the end of the bare word, such as a number, that begins at `at`.
local function word_end(text, at, size)
  while at < size do
    local c = byte(text, at + 1)
    if c <= 32 or c == COMMA or c == CLOSE_ARRAY or c == CLOSE_OBJECT or c == QUOTE then return at end
    at = at + 1
  end
  return size
end

-- Returns a message's fields as JSON spells them, in order.
local function names_of(message)
  local names = {}
  for name in pairs(fields[message]) do
    if not name:find("_") then names[#names + 1] = name end
  end
  table.sort(names)
  return #names > 0 and "its fields are " .. table.concat(names, ", ") or "it has none"
end

-- Returns why an enum has no such name; nil: it has one. The node itself checks numbers.
local function wrong_name(enum, name, word)
  if word:find("^%d+$") then return nil end
  for _, known in ipairs(enums[enum]) do
    if word == known then return nil end
  end
  return ("%s=%s: must be one of %s"):format(name, safe(word), table.concat(enums[enum], ", ", 2))
end

-- Returns why a field has no such value, a string's content or a bare word; nil: the transcoder may have it.
local function wrong_value(field, word)
  if word == "null" then return nil end
  if field.enum then return wrong_name(field.enum, field.name, word) end
  if field.most then
    local is_plain = #word <= 32 and word:find("^%d+$")
    local fits = is_plain and (#word < #field.most or (#word == #field.most and word <= field.most))
    local is_float = word:find("^%d+%.0+$") or word:find("^%d+%.?%d*[eE]%+?%d%d?$")
    if fits or is_float then return nil end
    return ("%s=%s: must be a whole number from 0 to %s"):format(field.name, safe(word), field.most)
  end
end

-- Notes that an object has a field, in both of its spellings; returns why it can't have it.
local function note(seen, field, message)
  if seen[field.name] then
    return ("field %s is there twice in %s: which one counts?"):format(field.name, short(message))
  end
  seen[field.name] = true
end

-- Notes a value of a choice; returns why there can't be another.
local function choose(seen, field, message)
  local key = field.oneof and "oneof " .. field.oneof
  if key and seen[key] then
    return ("%s and %s in %s: give one of them"):format(seen[key], field.name, short(message))
  end
  if key then seen[key] = field.name end
end

-- Returns what is wrong with a body; nil if nothing is.
local function fault(text, message)
  local size, at, depth = #text, 1, 0
  local messages, arrays, seen = {}, {}, {} -- of each bracket that is open: its message, whether it is an array, its fields
  local value, wants_name, field = message, false, nil -- the message of the value that comes next, and its field
  while at <= size do
    local c = byte(text, at)
    if c == QUOTE then
      local last = string_end(text, at + 1, size)
      if wants_name then
        local known = fields[messages[depth]]
        if known then
          local name = sub(text, at + 1, last - 1)
          field = known[name]
          if not field then
            return ("unknown field %s in %s; %s"):format(
              safe(name), short(messages[depth]), names_of(messages[depth]))
          end
          value = field.message or ""
          local why = note(seen[depth], field, messages[depth])
          if why then return why end
        end
        wants_name = false
      elseif field then
        local is_short = last - at < 80
        local why = choose(seen[depth], field, messages[depth])
          or wrong_value(field, is_short and sub(text, at + 1, last - 1) or sub(text, at + 1, at + 65))
        if why then return why end
        field = nil
      end
      at = last
    elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
      if field then
        local why = choose(seen[depth], field, messages[depth])
        if why then return why end
      end
      field = nil
      depth = depth + 1
      if depth > 100 then return nil end -- the transcoder refuses it
      messages[depth], arrays[depth], seen[depth] = value, c == OPEN_ARRAY, {}
      wants_name = c == OPEN_OBJECT
    elseif c == CLOSE_OBJECT or c == CLOSE_ARRAY then
      depth, wants_name, field = depth - 1, false, nil
      if depth < 1 then return nil end
    elseif c == COMMA and depth > 0 then
      wants_name, field = not arrays[depth], nil
      if arrays[depth] then value = messages[depth] end
    elseif field and c > 32 and c ~= COLON then
      local last = word_end(text, at, size)
      local word = sub(text, at, math.min(last, at + 65))
      local why = word ~= "null" and choose(seen[depth], field, messages[depth]) or wrong_value(field, word)
      if why then return why end
      at, field = last, nil
    end
    at = at + 1
  end
end

-- Returns what is wrong with the body of a request; nil if nothing is.
local function body_fault(body, message)
  local known = fields[message]
  local size = body and body:length() or 0
  if size == 0 then
    local needs_one = known.key or known.keys or known.writes
    return needs_one and ("the body is empty: send a JSON object; %s"):format(names_of(message)) or nil
  end
  local text = body:getBytes(0, size)
  if (text:match("^%s*(.)") or "{") ~= "{" then
    return ("the body must be a JSON object; %s"):format(names_of(message))
  end
  return fault(text, message)
end

function envoy_on_request(handle)
  local path, query = handle:headers():get(":path"):match("^([^?]*)%??(.*)$")
  local level = ("&" .. query):match("&consistency=([%w_.-]*)")
  local why = level and wrong_name("limedb.v1.Consistency", "consistency", level)
  local message = bodies[path]
  if not why and message then why = body_fault(handle:body(), message) end
  if why then handle:respond({[":status"] = "400"}, why) end
end
