-- Refuses a JSON body with a field that its request doesn't have: the transcoder would drop it silently.
-- The template puts two tables before this: `bodies`, the message of each path's body, and `fields`, for each
-- message its fields' names, with the message that each one holds or "". The transcoder refuses anything but JSON.
-- It reads byte by byte, which LuaJIT compiles: finding patterns would block the worker for far longer.
local byte, sub = string.byte, string.sub
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

-- Returns the end of the string that begins after `at`: the place of its last quote.
local function string_end(text, at, size)
  while at <= size do
    local c = byte(text, at)
    if c == QUOTE then return at end
    at = at + (c == BACKSLASH and 2 or 1)
  end
  return size
end

-- Returns the first name that its message doesn't have, and the message; nil if there is none.
local function unknown_field(text, message)
  local size, at, depth = #text, 1, 0
  local messages, arrays = {}, {} -- of each bracket that is open: its message, whether it is an array
  local value, wants_name = message, false -- the message of the value that comes next
  while at <= size do
    local c = byte(text, at)
    if c == QUOTE then
      local last = string_end(text, at + 1, size)
      if wants_name then
        local known = fields[messages[depth]]
        if known then
          local name = sub(text, at + 1, last - 1)
          value = known[name]
          if not value then return name, messages[depth] end
        end
        wants_name = false
      end
      at = last
    elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
      depth = depth + 1
      if depth > 100 then return nil end -- the transcoder refuses it
      messages[depth], arrays[depth] = value, c == OPEN_ARRAY
      wants_name = c == OPEN_OBJECT
    elseif c == CLOSE_OBJECT or c == CLOSE_ARRAY then
      depth, wants_name = depth - 1, false
      if depth < 1 then return nil end
    elseif c == COMMA and depth > 0 then
      wants_name = not arrays[depth]
      if arrays[depth] then value = messages[depth] end
    end
    at = at + 1
  end
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

function envoy_on_request(handle)
  local message = bodies[handle:headers():get(":path"):match("^[^?]*")]
  local body = message and handle:body()
  if not body then return end
  local name, owner = unknown_field(body:getBytes(0, body:length()), message)
  if name then
    local shown = name:sub(1, 64):gsub("[^%w_.$-]", "?")
    local text = ("unknown field %s in %s; %s"):format(shown, owner:match("%w+$"), names_of(owner))
    handle:respond({[":status"] = "400"}, text)
  end
end
