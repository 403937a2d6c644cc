#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace icnet {

namespace {

constexpr int kDeepest = 64;  // lists in lists: a text from elsewhere must not exhaust the stack

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  std::map<std::string, std::string> read() {
    read_value("", 0);
    if (peek() != '\0') fail("more text");
    return std::move(values_);
  }

 private:
  void read_value(const std::string& place, int depth) {
    if (depth > kDeepest) fail("lists too deep");
    const std::string inside = place.empty() ? "" : place + '.';
    int index = 0;
    switch (peek()) {
      case '{':
        return read_list('}', [&] {
          const std::string key = inside + read_text();
          take(':');
          read_value(key, depth + 1);
        });
      case '[':
        return read_list(']', [&] { read_value(inside + std::to_string(index++), depth + 1); });
      case '"':
        values_[place] = read_text();
        return;
      default:
        values_[place] = read_word();
    }
  }

  // What stands between brackets, separated by commas.
  template <typename Item>
  void read_list(char end, Item item) {
    rest_.remove_prefix(1);
    if (peek() != end) {
      for (item(); peek() == ','; item()) take(',');
    }
    take(end);
  }

  // true, false, null or a number.
  std::string read_word() {
    const std::size_t length = std::min(rest_.find_first_of(",]}:\" \t\r\n"), rest_.size());
    if (length == 0) fail("a value is missing");
    const std::string word(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return word;
  }

  std::string read_text() {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    std::string text;
    take('"');
    for (char c = next(); c != '"'; c = next()) {
      if (c != '\\') {
        text += c;
      } else if ((c = next()) == 'u') {
        append_utf8(text, read_code_point());
      } else if (const std::size_t name = kNames.find(c); name != std::string_view::npos) {
        text += kMeanings[name];
      } else {
        fail("an unknown escape");
      }
    }
    return text;
  }

  // Behind \u: one unit, or two that make a pair.
  unsigned read_code_point() {
    const unsigned first = read_unit();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (next() != '\\' || next() != 'u') fail("half a pair");
    return 0x10000 + ((first & 0x3FF) << 10) + (read_unit() & 0x3FF);
  }

  unsigned read_unit() {
    unsigned unit = 0;
    const std::string digits{next(), next(), next(), next()};
    const char* end = digits.data() + digits.size();
    if (std::from_chars(digits.data(), end, unit, 16).ptr != end) fail("no hexadecimal digits");
    return unit;
  }

  static void append_utf8(std::string& text, unsigned point) {
    const unsigned tails = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    constexpr unsigned kHeads[] = {0x00, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(kHeads[tails] | (point >> (6 * tails)));
    for (unsigned i = tails; i-- > 0;) text += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3F));
  }

  // The next character that is no space; 0 at the end.
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  void take(char expected) {
    if (peek() != expected) fail("a character is missing");
    rest_.remove_prefix(1);
  }

  char next() {
    if (rest_.empty()) fail("a text has no end");
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(what + " before \"" + std::string(rest_.substr(0, 20)) + '"');
  }

  std::string_view rest_;
  std::map<std::string, std::string> values_;
};

}  // namespace

std::map<std::string, std::string> read_json(std::string_view text) { return JsonReader(text).read(); }

}  // namespace icnet
