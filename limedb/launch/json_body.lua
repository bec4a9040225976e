-- Reads a JSON body against the message that it is to be, and refuses what is not exactly that: the transcoder would drop
-- fields that it doesn't know, and items that are null, take strings for booleans and an item for a list, and refuse
-- the rest in its own words.
-- It reads byte by byte, which LuaJIT compiles: finding patterns would block the worker for far longer.
local text, size, at -- the body, its length, and the place of the next byte
local edits -- what takes the place of parts of the body: for each, where it begins and ends, and the new text

local function skip_blanks()
  local i = at
  while i <= size do
    local c = byte(text, i)
    if c ~= 32 and c ~= 10 and c ~= 13 and c ~= 9 then break end
    i = i + 1
  end
  at = i
end

-- Returns the end of the bare word, such as a number, that begins here.
local function word_end()
  local i = at
  while i <= size do
    local c = byte(text, i)
    if c <= 32 or c == COMMA or c == COLON or c == QUOTE or c == OPEN_ARRAY or c == CLOSE_ARRAY
      or c == OPEN_OBJECT or c == CLOSE_OBJECT then break end
    i = i + 1
  end
  return i - 1
end

-- Returns the word that begins here, or its beginning.
local function word_here()
  return sub(text, at, math.min(word_end(), at + 65))
end

-- Returns what begins here, for a refusal.
local function shown()
  local c = byte(text, at)
  if c == OPEN_ARRAY then return "[...]" end
  if c == OPEN_OBJECT then return "{...}" end
  if c == QUOTE then return '"' .. safe(sub(text, at + 1, at + 64):match('^[^"]*')) .. '"' end
  local word = word_here()
  return safe(word ~= "" and word or sub(text, at, at))
end

-- Refuses a body that is not JSON. what: what must come here.
local function refuse_syntax(what)
  if at > size then refuse("the body is not JSON: it ends where there must be " .. what) end
  refuse(("the body is not JSON: at byte %d there must be %s, not %s"):format(at, what, shown()))
end

-- The bytes that follow a backslash in an escape of two.
local short_escapes = {[QUOTE] = true, [BACKSLASH] = true, [47] = true, -- /
  [98] = true, [102] = true, [110] = true, [114] = true, [116] = true} -- b f n r t

local hex_digits = {}
for i = 0, 15 do
  hex_digits[byte(("%x"):format(i))], hex_digits[byte(("%X"):format(i))] = i, i
end

-- Returns the number of the escape \uXXXX that begins at i; nil: there is none.
local function escaped_number(i)
  local c, u, a, b, d, e = byte(text, i, i + 5)
  if c ~= BACKSLASH or u ~= 117 or not e then return nil end
  a, b, d, e = hex_digits[a], hex_digits[b], hex_digits[d], hex_digits[e]
  return a and b and d and e and a * 4096 + b * 256 + d * 16 + e
end

-- Returns the end of the longer escape that begins at i, in the string of `name`.
local function escape_end(i, name)
  local number = escaped_number(i)
  if number and (number < 0xD800 or number > 0xDFFF) then return i + 5 end
  local low = number and number < 0xDC00 and escaped_number(i + 6)
  if low and low >= 0xDC00 and low <= 0xDFFF then return i + 11 end
  if number then refuse(("%s: %s is half a character"):format(name, sub(text, i, i + 5))) end
  local last = i + (byte(text, i + 1) == 117 and 5 or 1)
  if last > size then return size end
  refuse(("%s: JSON has no escape %s"):format(name, safe(sub(text, i, last))))
end

-- Returns the end of what begins at i in the string of `name`, where it is neither plain nor the closing quote.
local function special_end(i, c, name)
  if c == BACKSLASH then return short_escapes[byte(text, i + 1)] and i + 1 or escape_end(i, name) end
  if c < 32 then
    refuse(("%s: JSON escapes control characters, as \\u%04x for byte %d of the body"):format(name, c, i))
  end
  local last = character_end(text, i, c)
  if not last then refuse(("%s: byte %d of the body is not UTF-8"):format(name, i)) end
  return last
end

-- Returns the place of the closing quote of a string whose content begins at i, nil: there is none; and whether it has
-- escapes. For short strings.
local function closing_quote(i, name)
  local escaped = false
  while true do
    i = find(text, '["\\%z\1-\31\128-\255]', i)
    local c = i and byte(text, i)
    if not c or c == QUOTE then return i, escaped end
    escaped = escaped or c == BACKSLASH
    i = special_end(i, c, name) + 1
  end
end

-- The same for long ones.
local function far_closing_quote(i, name)
  local escaped = false
  while i <= size do
    local c = byte(text, i)
    if c == QUOTE then return i, escaped end
    if c < 32 or c > 127 or c == BACKSLASH then
      escaped = escaped or c == BACKSLASH
      i = special_end(i, c, name)
    end
    i = i + 1
  end
  return nil, escaped
end

-- Steps over the string that begins here; returns where its content begins and ends, and whether it has escapes.
local function skip_string(name)
  local from = at + 1
  local near = find(text, '"', from, true)
  local close, escaped
  if near and near - from < LONG then
    close, escaped = closing_quote(from, name)
  else
    close, escaped = far_closing_quote(from, name)
  end
  if not close then refuse(("the body is not JSON: it ends within the string of %s"):format(name)) end
  at = close + 1
  return from, close - 1, escaped
end

-- Returns whether a field may have this string.
local function may_be_string(field, from, last, escaped)
  local kind = field.kind
  if kind == "text" then return true end
  if kind == "bytes" then
    if not escaped then return is_base64(text, from, last) end
    local content = sub(text, from, last):gsub("\\u00(%x%x)", function(x) return string.char(tonumber(x, 16)) end)
    content = content:gsub("\\/", "/"):gsub("\\[nrt]", "\n")
    return is_base64(content, 1, #content)
  end
  local word = sub(text, from, math.min(last, from + 65))
  if kind == "enum" then return not word:find("^%d") and is_value_of(field.enum, word) end
  if kind == "whole" then return word:find("^%-?%d+$") and may_be_whole(field, word) end
  return kind == "number" and (is_finite(word) or word == "NaN" or word == "Infinity" or word == "-Infinity")
end

-- Returns whether a field may have this bare word.
local function may_be_word(field, word)
  local kind = field.kind
  if kind == "bool" then return word == "true" or word == "false" end
  if kind == "true" then return word == "true" end
  if kind == "enum" then return word:find("^%d+$") and is_value_of(field.enum, word) end
  if kind == "whole" then return not word:find("^%-?0%d") and may_be_whole(field, word) end
  return kind == "number" and is_finite(word)
end

local read_object

-- Reads one value of a field. place: in its array.
local function read_value(field, place)
  local c = byte(text, at)
  if c == OPEN_OBJECT and field.message then
    depth = depth + 1
    outer_names[depth], outer_places[depth] = field.name, place
    read_object(field.message, {})
    depth = depth - 1
  elseif c == QUOTE and not field.message then
    local start = at
    local from, last, escaped = skip_string(field.name)
    local name = field.kind == "enum" and whole_name(field.enum, sub(text, from, last))
    if name then
      edits[#edits + 1] = {start, last + 1, '"' .. name .. '"'}
    elseif not may_be_string(field, from, last, escaped) then
      at = start
      refuse_value(field, place, shown())
    end
  elseif not c or c == COMMA or c == COLON or c == CLOSE_ARRAY or c == CLOSE_OBJECT then
    refuse_syntax("the value of " .. label(field.name, place))
  else
    local word = word_here()
    if field.message or word == "" or not may_be_word(field, word) then refuse_value(field, place, shown()) end
    at = word_end() + 1
  end
end

local function read_array(field)
  local place = 0
  at = at + 1
  skip_blanks()
  if byte(text, at) == CLOSE_ARRAY then
    at = at + 1
    return
  end
  while true do
    read_value(field, place)
    skip_blanks()
    local c = byte(text, at)
    at = at + 1
    if c == CLOSE_ARRAY then return end
    if c ~= COMMA then
      at = at - 1
      refuse_syntax("a comma or ] after " .. label(field.name, place))
    end
    place = place + 1
    skip_blanks()
  end
end

-- Reads a name, and returns its field.
local function read_name(message)
  if byte(text, at) ~= QUOTE then refuse_syntax("the name of a field, in quotes") end
  local from, last = skip_string("a name")
  local name = sub(text, from, last)
  local field = fields[message][name]
  if not field then
    refuse(("unknown field %s in %s; %s"):format(safe(name), short(message), fields_of(message)))
  end
  skip_blanks()
  if byte(text, at) ~= COLON then refuse_syntax("a colon after " .. field.name) end
  at = at + 1
  skip_blanks()
  return field
end

function read_object(message, seen)
  at = at + 1
  skip_blanks()
  if byte(text, at) == CLOSE_OBJECT then
    at = at + 1
    return
  end
  while true do
    local from = at
    local field = read_name(message)
    local value_at = at
    note(seen, field, message)
    if byte(text, at) == 110 and word_here() == "null" then -- as if it were not there
      at = at + 4
      if field.part then edits[#edits + 1] = {from, at - 1, '"condition":null'} end
    else
      choose(seen, field, message)
      if not field.is_list then
        read_value(field)
      elseif byte(text, at) == OPEN_ARRAY then
        read_array(field)
      elseif at > size then
        refuse_syntax("the value of " .. field.name)
      else
        refuse(("%s=%s: must be an array"):format(field.name, shown()))
      end
      if field.part then
        local value = field.gives or sub(text, value_at, at - 1)
        edits[#edits + 1] = {from, at - 1, ('"condition":{"%s":%s}'):format(field.part, value)}
      end
    end
    skip_blanks()
    local c = byte(text, at)
    at = at + 1
    if c == CLOSE_OBJECT then return end
    if c ~= COMMA then
      at = at - 1
      refuse_syntax("a comma or } after " .. field.name)
    end
    skip_blanks()
  end
end

-- Returns the body with its edits.
local function edited(content)
  local parts, from = {}, 1
  for _, edit in ipairs(edits) do
    parts[#parts + 1] = sub(content, from, edit[1] - 1)
    parts[#parts + 1] = edit[3]
    from = edit[2] + 1
  end
  parts[#parts + 1] = sub(content, from)
  return table.concat(parts)
end

-- Refuses a body that is not one JSON object with the fields of its message. seen: those that the query has.
-- Returns another one to send instead, where it has the short names of a condition or of a level.
local function check_body(content, message, seen)
  text, size, at, edits = content, #content, 1, {}
  if sub(text, 1, 3) == "\239\187\191" then refuse("the body begins with a byte order mark (U+FEFF): leave it out") end
  skip_blanks()
  if byte(text, at) ~= OPEN_OBJECT then refuse("the body must be a JSON object; " .. fields_of(message)) end
  read_object(message, seen)
  skip_blanks()
  if at <= size then
    refuse(("the body has more after its object, at byte %d: send one object"):format(at))
  end
  text = nil
  return #edits > 0 and edited(content) or nil
end
