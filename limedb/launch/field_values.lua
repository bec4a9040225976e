-- Which values the fields of requests may have, and the refusals. A field's facts are those of `rest.fields()`.
local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local QUOTE, BACKSLASH, COMMA, COLON = 34, 92, 44, 58
local OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

-- The objects that the reader is in, from outside: the name of each in the one around it, and its place in an array.
local depth, outer_names, outer_places = 0, {}, {}

local function label(name, place)
  return place and ("%s[%d]"):format(name, place) or name
end

-- Ends the check: `check` answers with the reason, before which it names the object.
local function refuse(why, status)
  local outer = {}
  for i = 1, depth do outer[i] = label(outer_names[i], outer_places[i]) end
  local place = depth > 0 and table.concat(outer, ".") .. ": " or ""
  error({why = place .. why, status = status or "400"}, 0)
end

local function safe(text)
  return (text:sub(1, 64):gsub("[^ -~]", "?"))
end

local function short(message)
  return message:match("%w+$")
end

-- Returns a message's fields as JSON spells them, in order.
local function fields_of(message)
  local names = {}
  for name in pairs(fields[message]) do
    if not name:find("_") then names[#names + 1] = name end
  end
  table.sort(names)
  return #names > 0 and "its fields are " .. table.concat(names, ", ") or "it has none"
end

-- Notes that a field is there, in any of its spellings and in the query or the body.
local function note(seen, field, message)
  if seen[field.name] then
    refuse(("field %s is there twice in %s: which one counts?"):format(field.name, short(message)))
  end
  seen[field.name] = true
end

-- Notes a value of a choice: there can't be another.
local function choose(seen, field, message)
  local key = field.oneof and "oneof " .. field.oneof
  if key and seen[key] then
    refuse(("%s and %s in %s: give one of them"):format(seen[key], field.name, short(message)))
  end
  if key then seen[key] = field.name end
end

-- What a value must be, by the kind of its field.
local demands = {
  text = function() return "a string" end,
  bytes = function() return "base64" end,
  bool = function() return "true or false" end,
  ["true"] = function() return "true" end,
  number = function() return "a number" end,
  whole = function(field) return ("a whole number from %s to %s"):format(field.least or "0", field.most) end,
  enum = function(field) return "one of " .. table.concat(enums[field.enum], ", ", 2) end,
  message = function(field) return "an object; " .. fields_of(field.message) end,
}

local function refuse_value(field, place, shown)
  refuse(("%s=%s: must be %s"):format(label(field.name, place), shown, demands[field.kind](field)))
end

local function is_json_number(word)
  local rest = word:match("^%-?0(.*)$") or word:match("^%-?[1-9]%d*(.*)$")
  rest = rest and (rest:match("^%.%d+(.*)$") or rest)
  return rest == "" or (rest and rest:find("^[eE][+-]?%d+$") ~= nil)
end

local function is_whole(word, most)
  if word:find("^%d+$") then return #word < #most or (#word == #most and word <= most) end
  local number = is_json_number(word) and word:find("^%d") and tonumber(word)
  return number and number % 1 == 0 and number < tonumber(most) + 1
end

-- Returns whether a field may have this whole number: one with a sign where the field may be below 0.
local function may_be_whole(field, word)
  local digits = field.least and word:match("^%-(.+)$")
  return is_whole(digits or word, digits and field.least:sub(2) or field.most)
end

local function is_finite(word)
  return is_json_number(word) and math.abs(tonumber(word)) < math.huge
end

-- Returns the whole name of an enum's value that is given without its prefix: "one" for CONSISTENCY_ONE; nil: there is none.
local function whole_name(enum, word)
  local prefix = enums[enum][1]:match("^(.*_)UNSPECIFIED$")
  local name = prefix and #word < 64 and prefix .. word:upper()
  for i = 2, #enums[enum] do
    if enums[enum][i] == name then return name end
  end
  return nil
end

local function is_value_of(enum, word)
  if word:find("^%d+$") then return #word < 10 and tonumber(word) < #enums[enum] end
  for _, known in ipairs(enums[enum]) do
    if word == known then return true end
  end
  return false
end

-- Of each byte, whether it is a digit of base64 (1), and marks: only of the usual alphabet, only of that for URLs, or none
-- of base64. Sums of these need no branches, which random bytes would make slow.
local USUAL, URLS, WRONG = 1, 2, 4
local digits_of, marks_of = {}, {}
for c = 0, 255 do
  local text = string.char(c)
  digits_of[c] = text:find("[%w+/_-]") and 1 or 0
  marks_of[c] = text:find("[+/]") and USUAL or text:find("[_-]") and URLS or text:find("[%w \t\r\n]") and 0 or WRONG
end

-- Bytes of a string from which on a loop reads it. LuaJIT gives a loop up for good once it has ended too often before it
-- could be compiled, as short strings let it: then each long one would take five times as long.
local LONG = 1024

-- Returns how many digits of base64 are in a part of a text, and the marks of its bytes.
local function count_digits(text, from, last)
  if last - from < LONG then
    if match(text, "^[%w+/]*()", from) > last then return last - from + 1, USUAL end
    local part = sub(text, from, last)
    local marks = part:find("[^%w+/_ \t\r\n-]") and WRONG or 0
    if part:find("[+/]") then marks = marks + USUAL end
    if part:find("[_-]") then marks = marks + URLS end
    local _, blanks = part:gsub("[ \t\r\n]", "")
    return #part - blanks, marks
  end
  local digits, marks = 0, 0
  for i = from, last do
    local c = byte(text, i)
    digits, marks = digits + digits_of[c], bit.bor(marks, marks_of[c])
  end
  return digits, marks
end

-- Returns whether a part of a text is base64, in either alphabet, with padding or without.
local function is_base64(text, from, last)
  local padding = 0
  while last >= from and (byte(text, last) <= 32 or byte(text, last) == 61) do
    if byte(text, last) == 61 then padding = padding + 1 end
    last = last - 1
  end
  local digits, marks = count_digits(text, from, last)
  local is_padded = padding == 0 or (padding < 3 and (digits + padding) % 4 == 0)
  return marks < USUAL + URLS and digits % 4 ~= 1 and is_padded
end

-- Returns the end of the character that begins with the byte c, which is not ASCII; nil: it is not UTF-8.
local function character_end(text, at, c)
  local second, third, fourth = byte(text, at + 1, at + 3)
  local low, high = 0x80, 0xBF
  if c == 0xE0 then low = 0xA0 elseif c == 0xED then high = 0x9F
  elseif c == 0xF0 then low = 0x90 elseif c == 0xF4 then high = 0x8F end
  local length = c >= 0xC2 and c <= 0xDF and 2 or c >= 0xE0 and c <= 0xEF and 3 or c >= 0xF0 and c <= 0xF4 and 4
  if not length or not second or second < low or second > high then return nil end
  if length > 2 and (not third or third < 0x80 or third > 0xBF) then return nil end
  if length > 3 and (not fourth or fourth < 0x80 or fourth > 0xBF) then return nil end
  return at + length - 1
end

local function is_utf8(text)
  local at, size = 1, #text
  while at <= size do
    local c = byte(text, at)
    local last = c < 128 and at or character_end(text, at, c)
    if not last then return false end
    at = last + 1
  end
  return true
end
