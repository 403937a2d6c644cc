// A reader of JSON as Python's json module writes it.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace icnet {

// The values by their places: {"size": [64, null]} gives size.0 = 64 and size.1 = null. Texts are without quotes and
// escapes, everything else as it stands. std::invalid_argument where the text is no JSON.
std::map<std::string, std::string> read_json(std::string_view text);

}  // namespace icnet
